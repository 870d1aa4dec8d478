"""The supervisor, watched from outside: it is run in a process of its own, because it reaps every child it has."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

HEAD = """
import os, signal, sys, time
from tocsin.project.supervisor import Child, Supervisor

def python(code):
    return [sys.executable, "-c", code]

supervisor = Supervisor(lambda line: print(line, flush=True))
"""
FOREVER = "import time\nprint('here', flush=True)\ntime.sleep(60)"


class Watched:
    """A supervisor under test."""

    def __init__(self, folder: Path, body: str) -> None:
        self._output = folder / "output"
        program = HEAD + textwrap.dedent(body) + "\nsys.exit(supervisor.run())"
        with self._output.open("w") as output:
            self.process = subprocess.Popen([sys.executable, "-c", program], stdout=output, stderr=subprocess.STDOUT)

    @property
    def text(self) -> str:
        return self._output.read_text()

    def until(self, found: Callable[[str], bool], within: float = 20.0) -> str:
        end = time.monotonic() + within
        while not found(text := self.text):
            assert time.monotonic() < end, f"not within {within} s: {text}"
            time.sleep(0.01)
        return text

    def wait(self, within: float = 20.0) -> int:
        return self.process.wait(within)

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


Watch = Callable[[str], Watched]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Starts a supervisor with these children; what is left of it is ended with the test."""
    started: list[Watched] = []

    def start(body: str) -> Watched:
        started.append(Watched(tmp_path, body))
        return started[-1]

    yield start
    for watched in started:
        if watched.process.poll() is None:
            watched.process.kill()
            watched.process.wait()


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _until(true: Callable[[], bool], within: float = 10.0) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_child_is_started_again(watch: Watch) -> None:
    watched = watch(f"supervisor.add(Child('one', python({FOREVER!r}), dict(os.environ)))")
    watched.until(lambda text: text.count("here") == 1)
    os.kill(watched.children()[0], signal.SIGKILL)
    text = watched.until(lambda text: text.count("here") == 2)
    assert "one was killed by SIGKILL; starting it again." in text
    watched.process.terminate()
    assert watched.wait() == 0
    assert "one | here" in watched.text


def test_restarts_become_rarer_and_the_first_is_at_once(watch: Watch) -> None:
    watched = watch(
        """
        began = time.monotonic()
        child = Child("one", python("raise SystemExit(1)"), dict(os.environ))
        supervisor.add(child)
        starts = []
        original = supervisor._start
        def start(child):
            starts.append(time.monotonic())
            original(child)
            if len(starts) == 4:
                print("pauses", *(round(b - a, 2) for a, b in zip(starts, starts[1:])), flush=True)
        supervisor._start = start
        """
    )
    text = watched.until(lambda text: "pauses" in text)
    watched.process.terminate()
    watched.wait()
    pauses = [float(part) for part in text.split("pauses")[1].split("\n")[0].split()]
    assert pauses == sorted(pauses)
    assert pauses[0] >= 0.1


def test_a_wrong_setting_ends_everything(watch: Watch) -> None:
    watched = watch(
        f"""
        supervisor.add(Child("one", python("raise SystemExit(78)"), dict(os.environ)))
        supervisor.add(Child("two", python({FOREVER!r}), dict(os.environ)))
        """
    )
    assert watched.wait() == 78
    assert "one cannot run as it is set up" in watched.text


def test_children_of_a_lower_rank_end_first(watch: Watch) -> None:
    watched = watch(
        """
        code = '''
        import signal, sys, time
        name = sys.argv[1]
        def stop(*_):
            time.sleep(0.3)
            print("ended", name, flush=True)
            sys.exit()
        signal.signal(signal.SIGTERM, stop)
        print("ready", flush=True)
        time.sleep(60)
        '''
        import textwrap
        code = textwrap.dedent(code)
        supervisor.add(Child("database", [*python(code), "database"], dict(os.environ), rank=2))
        supervisor.add(Child("web", [*python(code), "web"], dict(os.environ)))
        """
    )
    watched.until(lambda text: text.count("ready") == 2)
    watched.process.terminate()
    assert watched.wait() == 0
    assert watched.text.index("ended web") < watched.text.index("ended database")


def test_a_second_signal_forces(watch: Watch) -> None:
    watched = watch(
        """
        code = '''
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready", flush=True)
        time.sleep(60)
        '''
        import textwrap
        supervisor.add(Child("stubborn", python(textwrap.dedent(code)), dict(os.environ)))
        """
    )
    watched.until(lambda text: "ready" in text)
    watched.process.terminate()
    time.sleep(0.3)
    assert watched.process.poll() is None
    watched.process.send_signal(signal.SIGINT)
    assert watched.wait(5) == 0


def test_a_child_that_runs_once_gives_its_output(watch: Watch) -> None:
    watched = watch(
        """
        def done(code, output):
            print("done", code, output.strip(), flush=True)
            supervisor.stop()
        code = "import sys; print('facts'); print('for people', file=sys.stderr); sys.exit(3)"
        supervisor.add(Child("prepare", python(code), dict(os.environ), once=True, done=done))
        """
    )
    assert watched.wait() == 0
    assert "done 3 facts" in watched.text
    assert "prepare | for people" in watched.text


def test_children_die_with_a_killed_supervisor(watch: Watch) -> None:
    watched = watch(f"supervisor.add(Child('one', python({FOREVER!r}), dict(os.environ)))")
    watched.until(lambda text: "here" in text)
    [child] = watched.children()
    watched.process.kill()
    watched.wait()
    _until(lambda: _gone(child))


def test_what_a_killed_child_leaves_behind_is_ended_before_it_starts_again(watch: Watch) -> None:
    watched = watch(
        """
        code = '''
        import subprocess, sys, time
        worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print("worker", worker.pid, flush=True)
        time.sleep(60)
        '''
        import textwrap
        supervisor.add(Child("web", python(textwrap.dedent(code)), dict(os.environ)))
        """
    )
    text = watched.until(lambda text: "worker" in text and text.endswith("\n"))
    worker = int(text.split("worker")[1].split()[0])
    os.kill(watched.children()[0], signal.SIGKILL)
    watched.until(lambda text: text.count("worker") == 2)
    _until(lambda: _gone(worker))
    watched.process.terminate()
    watched.wait()


def test_a_child_that_lives_but_does_not_serve_is_ended_and_started_again(watch: Watch) -> None:
    watched = watch(
        f"""
        from tocsin.project import supervisor as module
        module.PROBE_S = 0.05
        child = Child("database", python({FOREVER!r}), dict(os.environ), patience_s=0.3)
        served = iter([False, True, True])  # a moment of silence is no reason
        child.serves = lambda: next(served, False)
        supervisor.add(child)
        supervisor.later(1.8, supervisor.stop)
        """
    )
    watched.wait()
    text = watched.text
    assert 2 <= text.count("has not served for") <= 3, "patience doubles each time"
    assert "was killed by SIGKILL; starting it again" in text


def test_a_child_that_ignores_the_request_to_end_is_killed(watch: Watch) -> None:
    code = "import signal\nsignal.signal(signal.SIGQUIT, signal.SIG_IGN)\n" + FOREVER
    watched = watch(
        f"""
        from tocsin.project import supervisor as module
        module.PROBE_S, module.STUBBORN_S = 0.05, 0.2
        child = Child("database", python({code!r}), dict(os.environ), patience_s=0.5, force=signal.SIGQUIT)
        child.serves = lambda: False
        supervisor.add(child)
        """
    )
    watched.until(lambda text: text.count("here") == 2)
    watched.process.terminate()
    watched.process.terminate()
    watched.wait()
