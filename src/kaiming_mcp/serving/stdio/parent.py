"""The process that started this one, watched: when it ends, a server on stdio has nobody left to serve.

A killed parent closes the pipe to this process, but not where another child of its still holds the pipe open. The
kernel's own signal for that (PR_SET_PDEATHSIG) comes already when the *thread* ends that started the process, and hosts
start servers from threads that come and go; a descriptor of the process itself has no such flaw.
"""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


async def parent_ended() -> None:
    """Return when the parent ends; never, where there is no parent to watch or no way to watch it."""
    parent = os.getppid()
    watch = None if parent <= 1 else _watch(parent)
    # Reparented meanwhile: the number may be another process by now.
    if watch is None or os.getppid() != parent:
        await anyio.sleep_forever()
    else:
        await anyio.wait_readable(watch)


def _watch(process: int) -> FileDescriptorLike | None:
    try:
        if sys.platform == "linux":
            return os.pidfd_open(process)
        if sys.platform == "darwin":
            queue = select.kqueue()
            ended = select.kevent(process, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            queue.control([ended], 0)
            return queue
    except OSError:
        # An old kernel, a sandbox, or a parent that has gone already.
        return None
    return None
