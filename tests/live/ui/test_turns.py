"""People before background work."""

from __future__ import annotations

from threading import Event, Thread

from relsearch.live.ui.turns import Turns


def test_a_person_waits_for_one_piece_of_work_only() -> None:
    """However soon the work asks for the next turn."""
    turns, started, asked, done = Turns(), Event(), Event(), []

    def work() -> None:
        for piece in range(5):
            with turns.behind():
                started.set()
                asked.wait(10)
                done.append(f"piece {piece}")

    def person() -> None:
        with turns.first():
            done.append("person")

    threads = [Thread(target=work), Thread(target=person)]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    while turns._people == 0:
        pass
    asked.set()
    for thread in threads:
        thread.join(10)
    assert done[:2] == ["piece 0", "person"]
    assert len(done) == 6
