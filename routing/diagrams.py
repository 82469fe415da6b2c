"""The page of state diagrams, drawn from the tables: ``python -m routing.diagrams``."""

from __future__ import annotations

import sys

from routing import agent_state, interaction_state


def page() -> str:
    """The Markdown text of ``docs/states.md``."""
    return f"""# States

Drawn from `routing/interaction_state.py` and `routing/agent_state.py`; after a change there:
`.venv/bin/python -m routing.diagrams > docs/states.md`.

## An interaction

```mermaid
{interaction_state.diagram()}
```

## An agent, per interaction held

```mermaid
{agent_state.diagram()}
```
"""


if __name__ == "__main__":
    sys.stdout.write(page())
