"""What the daemon's own parts need of the CRM, in the shapes they need it."""

from __future__ import annotations

from crmcore.access import SYSTEM, Actor, Scope
from crmcore.store import Store
from crmcore.users import User
from ctid.crm_json import PopJson, pop_json
from routing.commands import AmendContactRecord, InteractionAccount
from routing.facts import Party
from routing.ids import AgentId, InteractionId, RecordingId


class Crm:
    """The store as contact record writer, recording index and source of screen-pops."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._people: dict[str, User] = {}

    async def know_people(self) -> None:
        """Learn who works as which agent; again after users were changed or somebody logged in."""
        users = await self._store.users.all(SYSTEM)
        self._people = {user.agent: user for user in users if user.agent}

    def sees_all(self, agent: AgentId) -> bool:
        """Whether a screen-pop needs no masking for whoever works as this agent."""
        user = self._people.get(agent)
        return user is not None and _unrestricted(self._store.actor(user))

    async def pop_as(self, caller: Party, agent: AgentId) -> tuple[PopJson, Party]:
        """The pop and the caller as this agent's user may see them; nothing without a user."""
        user = self._people.get(agent)
        if user is None:  # who watches has logged in, and is known since
            return PopJson(customer=None, candidates=[], history=[], attributes={}), Party()
        actor = self._store.actor(user)
        seen = Party(number=actor.phone(caller.number) or "", name=actor.text(caller.name))
        if actor.scope("customer", "read") is Scope.NONE:
            return PopJson(customer=None, candidates=[], history=[], attributes={}), seen
        return pop_json(await self._store.match(caller.number, actor)), seen

    async def pop(self, number: str) -> PopJson:
        """Who this may be, and their last contacts, as the API shows them."""
        return pop_json(await self._store.match(number))

    async def file_contact_record(self, account: InteractionAccount, now: float) -> None:
        """Write the record, once."""
        await self._store.file_contact_record(account, now)

    async def amend_contact_record(self, amendment: AmendContactRecord, now: float) -> None:
        """Add what became known after the end."""
        await self._store.amend_contact_record(amendment, now)

    async def recording_ready(
        self,
        recording: RecordingId,
        interaction: InteractionId,
        *,
        path: str,
        sha256: str,
        size_bytes: int,
        duration_s: float,
        now: float,
    ) -> None:
        """The recording is whole; ``path`` is relative to the library."""
        await self._store.put_recording(
            recording,
            interaction,
            "ready",
            now,
            file_name=path,
            sha256=sha256,
            size=size_bytes,
            duration_s=duration_s,
        )

    async def recording_failed(
        self, recording: RecordingId, interaction: InteractionId, reason: str, now: float
    ) -> None:
        """There is no usable recording, and why."""
        await self._store.put_recording(recording, interaction, "failed", now, reason=reason)


def _unrestricted(actor: Actor) -> bool:
    reads = [actor.scope(entity, "read") for entity in ("customer", "contact_record")]
    return not actor.masks and reads == [Scope.ALL, Scope.ALL]
