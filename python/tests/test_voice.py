"""What Python stages say while they run."""

import json
import threading

import pytest
import skyloom


def counting(work):
    """A graph with a stage that does this work."""

    @skyloom.stage("py.count", version=1, outputs={"file": bytes})
    class Count:
        """Counts."""

        def run(self, params, inputs, context):
            work(context)
            return b"done"

    return skyloom.Graph("count").add("count", "py.count")


def test_progress_warnings_and_numbers_are_passed_on_while_the_stage_runs(tmp_path):
    heard, seen = threading.Event(), []

    def work(context):
        rows = context.progress("rows", 3)
        rows.advance()
        context.warn("the first row is odd")
        assert heard.wait(20), "nobody heard it while the stage ran"
        rows.advance(2)
        context.metric("n_rows", 3)

    def tell(event):
        seen.append(event)
        if event["event"] == "node-warning":
            heard.set()

    run = counting(work).run(cache=tmp_path, progress=tell)
    progress = [(e["node"], e["unit"], e["done"], e["total"]) for e in seen if e["event"] == "node-progress"]
    assert progress == [("count", "rows", done, 3) for done in (0, 1, 3)]
    assert run.nodes["count"].warnings == ["the first row is odd"] and run.nodes["count"].metrics == {"n_rows": 3.0}
    # They belong to the record: who reuses the result hears them again.
    again = counting(work).run(cache=tmp_path, progress=False).nodes["count"]
    assert again.verdict == "reused" and again.warnings == ["the first row is odd"]


def test_what_is_gone_through_is_counted(tmp_path):
    seen, given = [], []

    def work(context):
        given.extend(context.progress("stars", iterable=["a", "b"]))
        given.extend(context.progress("rows", 2, iterable=iter("cd")))
        for wrong in (lambda: context.progress("stars"), lambda: iter(context.progress("stars", 2)).__next__()):
            with pytest.raises(TypeError, match="iterable"):
                wrong()

    counting(work).run(cache=tmp_path, progress=seen.append)
    assert given == ["a", "b", "c", "d"]
    done = [(e["unit"], e["done"]) for e in seen if e["event"] == "node-progress"]
    assert done == [("stars", 0), ("stars", 1), ("stars", 2), ("rows", 0), ("rows", 1), ("rows", 2), ("stars", 0)]


def test_between_two_items_a_stage_can_be_stopped(tmp_path):
    def forever():
        while True:
            yield 0

    def tell(event):
        if event["event"] == "node-progress" and event["done"] >= 5:
            raise KeyboardInterrupt

    def work(context):
        for _ in context.progress("rows", 1000, iterable=forever()):
            pass

    with pytest.raises(KeyboardInterrupt):
        counting(work).run(cache=tmp_path, progress=tell)


def test_a_context_that_is_kept_holds_no_run_up_and_says_nothing_more(tmp_path):
    kept, seen = [], []

    def work(context):
        kept.extend([context, context.progress("rows", 2)])

    counting(work).run(cache=tmp_path, progress=seen.append)
    n_seen = len(seen)
    context, rows = kept
    context.warn("too late")
    context.metric("too_late", 1)
    rows.advance()
    context.progress("stars", 1).advance()
    assert len(seen) == n_seen and seen[-1]["event"] == "run-finished"


def test_progress_stands_in_the_line_of_the_terminal(capsys):
    from skyloom.run import _Shown

    shown = _Shown()
    shown._is_terminal = True
    for event in (
        {"event": "run-started", "nodes": 2},
        {"event": "node-started", "node": "count"},
        {"event": "node-progress", "node": "count", "unit": "rows", "done": 3, "total": 10},
    ):
        shown._last = 0.0
        shown.event(json.dumps(event))
    shown.close()
    assert "0/2 nodes  count 3/10 rows" in capsys.readouterr().err
