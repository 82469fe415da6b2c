"""The people of the demo: agents at scripted phones, and callers, some of them known customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAgent:
    """An agent of ``queues.toml`` and the phone at which a script answers."""

    agent: str
    name: str
    phone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCaller:
    """Somebody who calls. ``known``: stands in the customer base beforehand."""

    number: str
    name: str
    known: bool = True
    roles: tuple[str, ...] = ()
    organisation: bool = False

    def as_customer(self) -> dict[str, Any]:
        """Body for ``POST /customers``."""
        return {
            "kind": "organisation" if self.organisation else "person",
            "name": self.name,
            "roles": list(self.roles),
            "contact_points": [{"kind": "phone", "value": self.number}],
        }


AGENTS = (
    DemoAgent(agent="lina", name="李娜", phone="1001"),
    DemoAgent(agent="wangqiang", name="王强", phone="1002"),
    DemoAgent(agent="zhangmin", name="张敏", phone="1003"),
    DemoAgent(agent="chenjie", name="陈杰", phone="1004"),
    DemoAgent(agent="liuyang", name="刘洋", phone="1005"),
    DemoAgent(agent="zhaolei", name="赵磊", phone="1006"),
)
GUEST = DemoAgent(agent="guest", name="体验坐席", phone="1010")

CUSTOMERS = (
    DemoCaller(number="13800138001", name="周建国", roles=("reader", "tipster")),
    DemoCaller(number="13912345602", name="吴秀英", roles=("subscriber",)),
    DemoCaller(number="02584701003", name="金陵家居广场", roles=("advertiser",), organisation=True),
    DemoCaller(number="18651234504", name="郑晓东", roles=("reader",)),
    DemoCaller(number="13770012305", name="孙丽华", roles=("subscriber", "reader")),
    DemoCaller(number="02552110006", name="先锋广告公司", roles=("agency",), organisation=True),
    DemoCaller(number="15195891207", name="钱志明", roles=("tipster",)),
    DemoCaller(number="13512531208", name="冯雪", roles=("reader",)),
    DemoCaller(number="17712345609", name="", known=False),
    DemoCaller(number="18013812310", name="", known=False),
    DemoCaller(number="13655161211", name="", known=False),
    DemoCaller(number="", name="", known=False),
)
