"""Questions of a page are answered by name; what is wrong is an answer too, and nothing breaks."""

import threading

import pytest

from medfusion.errors import InputError
from medfusion.widgets import assets
from medfusion.widgets.panel import Panel, answers


@pytest.fixture
def panel(monkeypatch):
    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")

    class Counter(Panel):
        def __init__(self, start=0, **arguments):
            super().__init__("counter", ["start"], **arguments)
            self.publish(count=start, name="first")

        @answers
        def add(self, number):
            if not isinstance(number, int):
                msg = "a whole number is needed"
                raise InputError(msg)
            self.publish(count=self.state["count"] + number)
            return {"count": self.state["count"]}

        @answers
        def points(self):
            return {"shape": [2]}, [b"\0" * 8]

        @answers
        def silent(self):
            return None

        @answers
        def broken(self):
            return 1 / 0

        def secret(self):
            raise AssertionError

    return Counter


def ask(panel, name, **values):
    reply, buffers = panel.answer({"kind": "ask", "id": "1", "name": name, "values": values})
    assert reply["kind"] == "answer"
    assert reply["id"] == "1"
    return reply.get("values"), reply.get("error"), list(buffers)


def test_answers_by_name_and_the_state_follows(panel):
    made = panel(start=3)
    assert ask(made, "add", number=4) == ({"count": 7}, None, [])
    assert made.state == {"count": 7, "name": "first"}
    assert ask(made, "points") == ({"shape": [2]}, None, [b"\0" * 8])
    assert ask(made, "silent") == ({}, None, [])


def test_threads_do_not_lose_what_others_said(panel):
    made = panel()
    made.publish(many={})

    def say(name):
        for number in range(50):
            made.change("many", lambda many, key=f"{name}{number}": {**many, key: 1})
            made.publish(**{name: number})

    threads = [threading.Thread(target=say, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made.state["many"]) == 150
    assert [made.state[name] for name in "abc"] == [49, 49, 49]


def test_what_was_wrong_is_told_and_a_fault_is_no_silence(panel):
    made = panel()
    _, error, _ = ask(made, "add", number="x")
    assert error == {"type": "InputError", "message": "a whole number is needed"}
    _, error, _ = ask(made, "broken")
    assert error["type"] == "fault"
    assert "ZeroDivisionError" in error["message"]


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "ask", "id": "1", "name": "secret"},
        {"kind": "ask", "id": "1", "name": "__init__"},
        {"kind": "ask", "id": "1", "name": None},
        {"kind": "ask", "id": "1", "name": ["add"]},
        {"kind": "ask", "id": "1"},
        {"kind": "ask", "id": "1", "name": "add", "values": {}},
        {"kind": "ask", "id": "1", "name": "add", "values": {"number": 1, "self": 2}},
        {"kind": "ask", "id": "1", "name": "add", "values": [1]},
    ],
)
def test_what_nobody_answers_is_refused(panel, message):
    reply, _ = panel().answer(message)
    assert reply["error"]["type"] == "InputError"


@pytest.mark.parametrize("message", [None, 3, "ask", [], {}, {"kind": "open"}])
def test_other_messages_are_left_alone(panel, message):
    assert panel().answer(message) is None


def test_misspelt_arguments_are_refused(panel):
    with pytest.raises(TypeError, match="did you mean 'start'"):
        panel(strat=1)


def test_a_part_answers_questions_of_its_own(panel):
    class Part:
        @answers
        def double(self, number):
            return {"number": 2 * number}

        def hidden(self):
            return {}

    found = panel()
    found.attach(Part())
    asked = {"kind": "ask", "id": 1, "name": "double", "values": {"number": 4}}
    assert found.answer(asked)[0]["values"] == {"number": 8}
    assert "error" in found.answer(asked | {"name": "hidden"})[0]
