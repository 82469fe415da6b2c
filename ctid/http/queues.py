"""Live figures of the queues."""

from __future__ import annotations

from ctid.access import Action
from ctid.http.endpoint import Call, Endpoint, Result
from ctid.http.errors import Problem
from ctid.http.models import PageQuery, Queue, QueuePage
from ctid.http.paging import page
from ctid.view_json import view_json
from routing.ids import QueueId


async def list_queues(call: Call) -> Result:
    """The queues whose figures the asker may see."""
    query = call.query(PageQuery)
    seen = [
        view
        for view in call.services.engine.queues(call.services.clock.now_s())
        if call.house.may_see_queue(call.viewer, call.scope, view.id)
    ]
    items, following = page(
        seen, key=lambda v: (v.id,), like=("",), limit=query.limit, cursor=query.cursor
    )
    return {"items": [view_json(v) for v in items], "next": following}


async def one_queue(call: Call) -> Result:
    """One queue."""
    queue = QueueId(call.path_id())
    if not call.house.may_see_queue(call.viewer, call.scope, queue):
        raise Problem("not_found")
    try:
        view = call.services.engine.queue_view(queue, call.services.clock.now_s())
    except KeyError:
        raise Problem("not_found", f"There is no queue {queue!r}") from None
    return view_json(view)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/queues",
        summary="Live figures of the queues",
        handler=list_queues,
        action=Action.QUEUES_VIEW,
        query=PageQuery,
        answer=QueuePage,
    ),
    Endpoint(
        method="GET",
        path="/queues/{id}",
        summary="Live figures of one queue",
        handler=one_queue,
        action=Action.QUEUES_VIEW,
        answer=Queue,
        problems=("not_found",),
    ),
)
