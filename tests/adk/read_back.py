"""read_back.py PROGRAM RECORDED - ADK and antiphon take turns in one database; see README.md.

PROGRAM is the unit test of the store, which writes and reads databases when asked; RECORDED is a database
that ADK made.
"""
import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai import types

OURS = ("antiphon_app", "1", "antiphon_app_1")
THEIRS = ("py_tools", "alice", "alice-1")


def same(what, actual, expected):
    # repr tells 1 from 1.0 and True, and shows every digit
    if repr(actual) != repr(expected):
        sys.exit(f"{what}:\n  is        {actual!r}\n  should be {expected!r}")


def by_key(mapping):
    return dict(sorted(mapping.items()))


def service(path):
    return SqliteSessionService(path)


async def get(adk, key):
    app, user, session = key
    found = await adk.get_session(app_name=app, user_id=user, session_id=session)
    if found is None:
        sys.exit(f"ADK finds no session {key}")
    return found


def write(program, path):
    subprocess.run([program, "write", path], check=True)


def read(program, path, key):
    """State and events as antiphon loads them."""
    out = subprocess.run([program, "read", path, *key], check=True, capture_output=True, text=True).stdout
    state, *events = out.splitlines()
    return json.loads(state), [json.loads(event) for event in events]


def compare_views(program, path, key, session):
    state, events = read(program, path, key)
    same(f"state of {key}", by_key(state), by_key(session.state))
    theirs = [json.loads(event.model_dump_json(exclude_none=True)) for event in session.events]
    same(f"ids of the events of {key}", [e["id"] for e in events], [e["id"] for e in theirs])
    for ours, adk in zip(events, theirs):
        # ADK fills in defaults where a stored event leaves something out
        parsed = json.loads(Event.model_validate(ours).model_dump_json(exclude_none=True))
        same(f"event {ours['id']}", by_key(parsed), by_key(adk))


async def append(adk, session, text, delta):
    event = Event(
        author="user",
        invocation_id="e-adk",
        content=types.Content(role="user", parts=[types.Part(text=text)]),
        actions=EventActions(state_delta=delta),
        timestamp=session.last_update_time + 1,
    )
    await adk.append_event(session, event)


async def check_ours(program, path):
    write(program, path)
    adk = service(path)
    session = await get(adk, OURS)
    same(
        "state",
        by_key(session.state),
        by_key({
            "created": "later",
            "app:shared": [1, 2.5, None],
            "app:more": True,
            "user:name": "Kim",
            "big": 9007199254740993,
            "huge": 12345678901234567890,
            "e": 1e300,
            "sum": 0.1,
            "nothing": None,
            '키 "q"': {"a": "é"},
        }),
    )
    first, second, third = session.events
    same("text", first.content.parts[0].text, '무지개 🌈 "q"')
    same("author", [e.author for e in session.events], ["user", "root_agent", "user"])
    same("time", [e.timestamp for e in session.events], [1795367301.5, 1795367302.25, 1795367303.0])
    same("flags", (second.turn_complete, second.interrupted), (True, True))
    same("delta", second.actions.state_delta, {"big": 9007199254740993, "user:name": "Kim"})
    same("third", third.invocation_id, "e-2")
    same("last update", session.last_update_time, 1795367303.0)
    await append(adk, session, "from ADK", {"big": 9007199254740995, "app:shared": None, "f": 0.1 + 0.2, "temp:x": 1})
    session = await get(adk, OURS)
    compare_views(program, path, OURS, session)
    same("ADK's value", session.state["big"], 9007199254740995)
    listed = await adk.list_sessions(app_name=OURS[0], user_id=OURS[1])
    same("list", [s.id for s in listed.sessions], [OURS[2]])
    # Deleted by ADK, it leaves nothing of ours either.
    await adk.delete_session(app_name=OURS[0], user_id=OURS[1], session_id=OURS[2])
    with sqlite3.connect(path) as raw:
        for table in ("events", "sessions", "antiphon_handles"):
            same(f"rows of {table}", raw.execute(f"SELECT count(*) FROM {table}").fetchone(), (0,))


async def check_theirs(program, path, recorded):
    shutil.copyfile(recorded, path)
    os.chmod(path, 0o600)
    before = await get(service(path), THEIRS)
    write(program, path)
    adk = service(path)
    session = await get(adk, THEIRS)
    same("events before", [repr(e) for e in session.events[:-1]], [repr(e) for e in before.events])
    same("our event", session.events[-1].content.parts[0].text, "tea again")
    expected = dict(before.state)
    expected.update({"count": 3, "user:lang": "en", "app:theme": "light"})
    same("state", by_key(session.state), by_key(expected))
    await append(adk, session, "and ADK again", {"count": 4})
    compare_views(program, path, THEIRS, await get(adk, THEIRS))
    with sqlite3.connect(path) as raw:
        keys = raw.execute("SELECT app_name, user_id, id FROM sessions").fetchall()
    for key in keys:
        compare_views(program, path, key, await get(adk, key))


async def main(program, recorded):
    with tempfile.TemporaryDirectory() as folder:
        await check_ours(program, os.path.join(folder, "ours.db"))
        await check_theirs(program, os.path.join(folder, "theirs.db"), recorded)
    print("ADK and antiphon read each other's conversations")


asyncio.run(main(sys.argv[1], sys.argv[2]))
