# SPDX-License-Identifier: GPL-3.0-or-later
"""A lesson: groups share activities and chat, while others come and go."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from sugaroid.rooms import Room
from sugaroid.schoolday.plan import Act, groups, lesson
from sugaroid.schoolday.pupil import Pupil

if TYPE_CHECKING:
    from sugaroid.schoolday.day import Settings

_LAST_WORD_SECONDS = 10.0


class Lesson:
    """One lesson of a school; `waits` and `lost` tell of its messages."""

    def __init__(self, pupils: list[Pupil], settings: Settings) -> None:
        self.waits: list[float] = []
        """How many seconds each message took on its way to each member of its group."""
        self.expected = 0
        self._pupils, self._settings = pupils, settings
        self._sent: dict[tuple[str, str], float] = {}
        self._rooms: dict[int, tuple[Room, int]] = {}
        """The room of each member, and how many are in it."""
        self._looking: set[int] = set()
        """Who looks at the shared activity."""
        self._invited = 0
        # Made up, and to be made again from the same seed: no secret comes of it.
        self._chance = random.Random(f"activities:{settings.seed}")  # noqa: S311

    @property
    def lost(self) -> int:
        """Messages and invitations that somebody did not get."""
        invitations = sum(len(pupil.rooms.invitations) for pupil in self._pupils)
        return self.expected - len(self.waits) + self._invited - invitations

    async def run(self) -> None:
        """The whole lesson, from the first activity to the last that is closed."""
        for pupil in self._pupils:
            pupil.rooms.invitations.clear()
            pupil.heard = self._heard
        for members in groups(len(self._pupils)):
            await self._gather([self._pupils[number] for number in members])
        await self._work()
        await self._until_all_heard()
        for pupil, (room, _) in [(self._pupils[number], there) for number, there in self._rooms.items()]:
            await pupil.rooms.leave(room)
        for pupil in self._pupils:
            pupil.heard = lambda _room, _text: None

    async def _gather(self, members: list[Pupil]) -> None:
        """One shares an activity and invites somebody; the others of the group join."""
        first = members[0]
        identifier = f"{self._chance.getrandbits(160):040x}"
        properties = {"name": f"Letters {first.number}", "type": "org.laptop.Write", "color": first.profile.color}
        room = await first.rooms.share(properties, activity_id=identifier)
        await first.look_at(room)
        self._looking.add(first.number)
        self._rooms[first.number] = room, len(members)
        for member in members[1:]:
            self._rooms[member.number] = await member.rooms.join(room.activity), len(members)
        first.rooms.invite(room, self._pupils[(first.number + 1) % len(self._pupils)].jid)
        self._invited += 1

    async def _work(self) -> None:
        start = time.monotonic()
        acts = lesson(len(self._pupils), self._settings.lesson_seconds, self._settings.seed)
        tasks = []
        for act in acts:
            await asyncio.sleep(max(0.0, start + act.at_seconds - time.monotonic()))
            tasks.append(asyncio.create_task(self._act(self._pupils[act.number], act)))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _act(self, pupil: Pupil, act: Act) -> None:
        if act.what == "chat":
            self._chat(pupil, f"{act.number} says at {act.at_seconds:.6f}")
        elif act.what == "look":
            # Another one than before: what is said twice shall be the server's doing.
            self._looking ^= {pupil.number}
            await pupil.look_at(self._rooms[pupil.number][0] if pupil.number in self._looking else None)
        else:
            await self._go(pupil, act.what)
            await asyncio.sleep(act.away_seconds)
            await pupil.come()
            await pupil.introduce()

    async def _go(self, pupil: Pupil, way: str) -> None:
        if way == "goodbye":
            await pupil.leave()
        elif way == "reset":
            pupil.reset()
        else:
            pupil.fall_silent()

    def _chat(self, pupil: Pupil, text: str) -> None:
        room, members = self._rooms[pupil.number]
        self._sent[room.activity.room, text] = time.perf_counter()
        self.expected += members
        pupil.rooms.say(room, text)

    def _heard(self, room: str, text: str) -> None:
        sent = self._sent.get((room, text))
        if sent is not None:
            self.waits.append(time.perf_counter() - sent)

    async def _until_all_heard(self) -> None:
        deadline = time.monotonic() + _LAST_WORD_SECONDS
        while self.lost > 0 and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
