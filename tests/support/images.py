"""The Dockerfile's steps without Docker: each stage a layer over a base, each RUN as root in it, and programs as the image's own user in what came of it.

What belongs here: reading the Dockerfile, making its layers, being in one. What does not: what should run there (tests/integration/test_image.py).

The base is this machine's own files, with its Python, unless another tree is named that has it in the same place. Layers are Linux's overlays,
so this takes root; nothing is written outside of the directory that it is given.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HANDED_ON = ("PIP_", "UV_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""How this machine reaches its package registry: to a build of Docker's one hands on the same."""
UNSHARE = shutil.which("unshare")


def obstacle() -> str | None:
    """Why nothing of this can be done here, if so."""
    if os.geteuid() != 0:
        return "layers of an image are mounted, which root alone may"
    if UNSHARE is None or shutil.which("setpriv") is None:
        return "this needs util-linux's unshare and setpriv"
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    if any((place, kind) == ("/", "overlay") for _, place, kind, *_ in mounts):
        return "this machine's own files are layers already, and Linux puts no more than two over each other"
    return None


@dataclass
class Stage:
    """One stage of the Dockerfile: `layers` from the base up, the last of which is its own."""

    layers: list[Path]
    env: dict[str, str]
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)

    @property
    def own(self) -> Path:
        return self.layers[-1]

    def path(self, place: str) -> str:
        return os.path.normpath(Path(self.workdir) / place)


@dataclass
class Images:
    """The stages of the Dockerfile, made below `root` on `base`."""

    root: Path
    base: Path = Path("/")
    stages: dict[str, Stage] = field(default_factory=dict)

    def build(self) -> Images:
        stage: Stage | None = None
        for word, rest in instructions((ROOT / "Dockerfile").read_text()):
            if word == "FROM":
                stage = self._begin(*re.fullmatch(r"(\S+) AS (\S+)", rest).groups())
            elif word != "ARG":
                getattr(self, f"_{word.lower()}")(stage, rest)
        return self

    def command(self, stage: Stage, words: list[str], *, volume: Path) -> list[str]:
        """Be `words` as the image's user: no right, a code that cannot be written, /tmp of its own, `volume` in the place of the home's."""
        (home,) = stage.volumes
        user, group = stage.user.split(":")
        becoming = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
        becoming += ["--bounding-set=-all", "--inh-caps=-all", "env", f"--chdir={stage.workdir}", "--"]
        steps = [
            *self._mounts(stage),
            # With Docker's own options: nothing is executed from there, and what processes share is 64 MB.
            f"mount -t tmpfs -o noexec,nosuid,nodev tmpfs {self._merged('/tmp')}",  # noqa: S108 (the container's)
            f"mount -t tmpfs -o noexec,nosuid,nodev,size=64m tmpfs {self._merged('/dev/shm')}",  # noqa: S108
            f"mount --bind {shlex.quote(str(volume))} {self._merged(home)}",
        ]
        return self._within(steps, [*becoming, *words])

    def new_volume(self, stage: Stage, target: Path) -> None:
        """What Docker puts into a new volume: what the image has in its place, with owner and rights."""
        (home,) = stage.volumes
        source = self._merged(home)
        self._do([*self._mounts(stage), f"cp -a {source} {shlex.quote(str(target))}"])

    # What instructions do

    def _begin(self, base: str, name: str) -> Stage:
        own = self.root / name
        own.mkdir()
        if base in self.stages:
            below = self.stages[base]
            stage = Stage([*below.layers, own], dict(below.env), below.workdir, below.user)
            stage.entrypoint, stage.volumes = below.entrypoint, below.volumes
        else:
            assert base.startswith("python:"), f"the base is no image of Python: {base}"
            stage = Stage([own], {"PATH": f"{self._python().parent}:{SYSTEM_PATH}"})
            self._make_python_reachable(stage)
        self.stages[name] = stage
        return stage

    def _run(self, stage: Stage, rest: str) -> None:
        known = {name: value for name, value in os.environ.items() if name.startswith(HANDED_ON)}
        words = ["env", f"--chdir={stage.workdir}", "--", "/bin/sh", "-c", rest]
        command = self._within(self._mounts(stage, writable=True), words)
        done = subprocess.run(
            command,
            env={"HOME": "/root", **known, **stage.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"RUN {rest}\nended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}"

    def _copy(self, stage: Stage, rest: str) -> None:
        *sources, target = rest.split()
        if sources[0].startswith("--from="):
            (source,) = sources[1:]
            there = stage.own / stage.path(target).lstrip("/")
            there.mkdir(parents=True)
            of = self.stages[sources[0].removeprefix("--from=")]
            self._do([*self._mounts(of), f"cp -a {self._merged(source)}/. {shlex.quote(str(there))}"])
            return
        for source in sources:
            there = stage.own / stage.path(target).lstrip("/")
            if (ROOT / source).is_dir():
                copy_context(source, there)
            else:
                there = there / Path(source).name if target.endswith("/") else there
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / source, there)

    def _env(self, stage: Stage, rest: str) -> None:
        for assignment in shlex.split(rest):
            name, value = assignment.split("=", 1)
            stage.env[name] = re.sub(r"\$(\w+)", lambda found: stage.env[found[1]], value)

    def _workdir(self, stage: Stage, rest: str) -> None:
        stage.workdir = rest
        (stage.own / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _user(self, stage: Stage, rest: str) -> None:
        stage.user = rest

    def _volume(self, stage: Stage, rest: str) -> None:
        stage.volumes = [*stage.volumes, rest]

    def _entrypoint(self, stage: Stage, rest: str) -> None:
        stage.entrypoint = [word.strip(' "') for word in rest.strip("[]").split(",")]

    def _cmd(self, stage: Stage, rest: str) -> None:
        """What Compose always says otherwise."""

    # Layers

    def _python(self) -> Path:
        """What this environment's own Python was made from."""
        return Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"

    def _make_python_reachable(self, stage: Stage) -> None:
        """In the layer alone: some Pythons lie below root's own directory, and Debian's has no short name."""
        python = self._python()
        above = " ".join(shlex.quote(str(path)) for path in python.parents if path != Path("/"))
        named = f"test -e {python.parent}/python || ln -s {python.name} {python.parent}/python"
        self._run(stage, f"chmod o+x {above} && {{ {named}; }}")

    def _merged(self, place: str) -> str:
        return shlex.quote(str(self.root / "merged") + place)

    def _mounts(self, stage: Stage, *, writable: bool = False) -> list[str]:
        """The steps that put the stage's layers over the base, one by one: no two that lie in one tree may be below a third."""
        steps, lower = [], self.base
        for layer in stage.layers:
            work = self.root / f".{layer.name}"
            at = self.root / ("merged" if layer == stage.own else f"merged-{layer.name}")
            for directory in (work, at):
                directory.mkdir(exist_ok=True)
            options = f"lowerdir={lower},upperdir={layer},workdir={work},index=off"
            access = "rw" if writable and layer == stage.own else "ro"
            steps.append(f"mount -t overlay overlay -o {access},{shlex.quote(options)} {shlex.quote(str(at))}")
            lower = at
        return [
            *steps,
            f"mount --rbind /dev {self._merged('/dev')}",
            f"mount -t proc proc {self._merged('/proc')}",
            f"mount --rbind /sys {self._merged('/sys')}",
            # Nothing may be taken from the checkout, nor found there by chance.
            f"test ! -d {self._merged(str(ROOT))} || mount -t tmpfs tmpfs {self._merged(str(ROOT))}",
        ]

    def _within(self, steps: list[str], words: list[str]) -> list[str]:
        """A process with mounts that nobody else sees and that end with it."""
        script = f"PATH={SYSTEM_PATH}; set -e; {'; '.join(steps)}; exec /usr/sbin/chroot {self._merged('')} "
        assert UNSHARE is not None
        # The image's own PATH is what its programs are found by.
        inner = "given=$PATH; " + script + 'env PATH="$given" "$@"'
        return [UNSHARE, "--mount", "--propagation", "private", "/bin/sh", "-c", inner, "sh", *words]

    def _do(self, steps: list[str]) -> None:
        assert UNSHARE is not None
        script = f"set -e; {'; '.join(steps)}"
        subprocess.run(
            [UNSHARE, "--mount", "--propagation", "private", "/bin/sh", "-c", script],
            env={"PATH": SYSTEM_PATH},
            check=True,
            capture_output=True,
        )


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction of a Dockerfile and what follows it, on one line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(word, re.sub(r"\s{2,}", " ", rest).strip()) for word, rest in found]


def copy_context(source: str, target: Path) -> None:
    """A folder of what is sent to a build: without what .dockerignore leaves out."""
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule and not rule.startswith("#")]
    out = [rule for rule in rules if rule != "*" and not rule.startswith("!")]

    def left_out(directory: str, names: list[str]) -> list[str]:
        places = {name: (Path(directory) / name).relative_to(ROOT).as_posix() for name in names}
        return [
            name
            for name, place in places.items()
            if any(
                fnmatch.fnmatch(name, rule.removeprefix("**/")) if rule[:3] == "**/" else place == rule for rule in out
            )
        ]

    shutil.copytree(ROOT / source, target, ignore=left_out, dirs_exist_ok=True)
