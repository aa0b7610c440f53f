"""The jars of a lock, by default those of Apache Kafka: exactly these, verified by SHA-256, cached.

Invariant: a jar is in the cache under its final name only if its digest is the lock's, and each
start compares again, so a download that was cut off, or a jar that was tampered with, is never run.
With a full cache nothing is fetched.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

LOCK_FILE: Final = Path(__file__).with_name("jars.lock.json")
CACHE_VARIABLE: Final = "CHECKOUT_RECOVERY_CACHE_DIR"
#: Address of a Maven repository to use instead of Maven Central, for those who have a mirror.
MIRROR_VARIABLE: Final = "CHECKOUT_RECOVERY_MAVEN_REPOSITORY"
#: Kafka itself, and what lets it write a log file.
ROOTS: Final = (
    "org.apache.kafka:kafka_2.13:4.2.2",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)
_AT_ONCE: Final = 6
_TIMEOUT_SECONDS: Final = 60

#: Called with the jars done, the jars in all, and the name of the last one; the name is empty at
#: the end. Not called at all if nothing is missing.
Progress = Callable[[int, int, str], None]


class JarsError(Exception):
    """Kafka's jars can't be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked file. ``coordinates`` are group:artifact:version, or …:classifier:packaging."""

    coordinates: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name in the cache."""
        _, artifact, version, *rest = self.coordinates.split(":")
        classifier, packaging = rest or ("", "jar")
        return f"{artifact}-{version}{classifier and '-'}{classifier}.{packaging}"


def locked_jars(lock: Path = LOCK_FILE) -> list[Jar]:
    """The jars of a lock."""
    return [Jar(**entry) for entry in json.loads(lock.read_text("utf-8"))["jars"]]


def cache_directory() -> Path:
    """Where the jars are kept between runs: the environment's choice, else the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    base = os.environ.get("XDG_CACHE_HOME")
    directory = (
        Path(chosen)
        if chosen
        else (Path(base) if base else Path.home() / ".cache") / "checkout-recovery"
    )
    return directory.absolute() / "jars"


def ensure_jars(
    progress: Progress = lambda _done, _all, _name: None, *, lock: Path = LOCK_FILE
) -> list[Path]:
    """Paths of all jars, fetching what is not in the cache. Several processes may do so at once.

    Raises:
        JarsError: a jar can't be fetched, or is not the one of the lock.
    """
    directory = cache_directory()
    jars = locked_jars(lock)
    try:
        missing = [jar for jar in jars if not _is_cached(directory / jar.file_name, jar)]
        if missing:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory, prefix="fetch-") as scratch:
                _fetch_all(missing, directory, Path(scratch), progress)
    except OSError as error:
        raise JarsError(
            f"could not use the cache of jars, {directory}: {error.strerror}. "
            f"{CACHE_VARIABLE} can name another directory."
        ) from error
    return [directory / jar.file_name for jar in jars]


def _is_cached(path: Path, jar: Jar) -> bool:
    return path.exists() and sha256(path.read_bytes()).hexdigest() == jar.sha256


def _fetch_all(missing: list[Jar], directory: Path, scratch: Path, progress: Progress) -> None:
    """Fetch to ``scratch``, compare, then rename: another process sees all of a jar or none."""
    context = _maven(scratch)
    progress(0, len(missing), "")
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        waiting = {pool.submit(_fetch, context, jar): jar for jar in missing}
        for done, fetched in enumerate(as_completed(waiting), start=1):
            jar = waiting[fetched]
            fetched.result().replace(directory / jar.file_name)
            progress(done, len(missing), jar.file_name)
    finally:  # the first failure is enough: the rest is not tried
        pool.shutdown(cancel_futures=True)
    progress(len(missing), len(missing), "")


def _fetch(context: Any, jar: Jar) -> Path:  # noqa: ANN401  # jgo's context
    group, artifact, version, *rest = jar.coordinates.split(":")
    try:
        found = context.project(group, artifact).at_version(version).artifact(*rest).resolve()
    except (OSError, RuntimeError) as error:
        raise JarsError(
            f"could not download {jar.file_name} ({type(error).__name__}). The first run needs "
            "access to the Maven Central repository (a proxy is taken from HTTPS_PROXY, a mirror "
            f"from {MIRROR_VARIABLE}); what was fetched is kept, and later runs need no network. "
            f"Or copy the jars of {LOCK_FILE.name} into {cache_directory()}."
        ) from error
    path = Path(found)
    digest = sha256(path.read_bytes()).hexdigest()
    if digest != jar.sha256:
        raise JarsError(
            f"{jar.file_name} is not the locked one: SHA-256 {digest}, expected {jar.sha256}. "
            "It was not used. Something on the way changed it; try another network."
        )
    return path


def _maven(cache: Path) -> Any:  # noqa: ANN401  # jgo's context
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise JarsError(
            "the embedded Kafka needs the extra 'embedded': "
            "pip install 'checkout-recovery[embedded]'"
        ) from error
    mirror = os.environ.get(MIRROR_VARIABLE)
    return MavenContext(
        repo_cache=cache,
        local_repos=[],
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        resolver=PythonResolver(),
        timeout=_TIMEOUT_SECONDS,
    )


def write_lock(lock: Path = LOCK_FILE, roots: Sequence[str] = ROOTS) -> None:
    """Resolve ``roots`` anew and write the lock: ``python -m streams.demo.kafka.jars``.

    Those in one text, with spaces between them, are resolved together.
    """
    with tempfile.TemporaryDirectory() as scratch:
        context = _maven(Path(scratch))
        jars: dict[tuple[str, str], dict[str, str]] = {}
        for group in roots:  # one by one: Kafka's choice of versions wins over its logger's
            wanted = [context.create_dependency(root) for root in group.split()]
            inputs, rest = context.resolver.resolve(wanted)
            for item in [*inputs, *rest]:
                if item.scope != "provided" and not item.optional:
                    path = Path(item.artifact.resolve())
                    jars.setdefault(
                        (item.groupId, item.artifactId),
                        {
                            "coordinates": f"{item.groupId}:{item.artifactId}:{item.version}",
                            "sha256": sha256(path.read_bytes()).hexdigest(),
                        },
                    )
    entries = [jars[name] for name in sorted(jars)]
    lock.write_text(json.dumps({"jars": entries}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    write_lock()
