"""Several processes of this machine that learn one network: started, heard, and ended whatever happens."""

import io
import os
import pickle
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.machinery import PathFinder
from multiprocessing.connection import Connection
from pathlib import Path

import cloudpickle
import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.multiprocessing.spawn import ProcessContext, ProcessException, ProcessRaisedException, start_processes

from quantdesk.domain.effort import Effort
from quantdesk.domain.errors import ComputeError, StrategyError
from quantdesk.domain.progress import Tell, silent, tell_of, telling
from quantdesk.models.learning.loop import NotFinite, device_of, learn
from quantdesk.models.learning.losses import Loss
from quantdesk.models.learning.team import Team, synchronised
from quantdesk.models.learning.windows import Windows
from quantdesk.models.training import Training

LONGEST_WAIT = timedelta(minutes=10)
"""How long a process waits for the others before it gives up."""

HEARD_SECONDS = 0.05
"""How often the processes are listened to."""


@dataclass(frozen=True, eq=False)
class _Job:
    parts: bytes
    samples: Windows
    validation: Windows | None
    training: Training
    seed: int
    meeting: Path


@dataclass(frozen=True)
class _Learned:
    effort: Effort
    weights: bytes


def learn_in_processes(
    module: nn.Module, samples: Windows, validation: Windows | None, loss: Loss, training: Training, seed: int
) -> Effort:
    """Do what ``learn`` does with the processes that a training asks for; the table lies in memory once.

    Raises
    ------
    NotFinite
        If the loss is not finite.
    StrategyError
        If they cannot share this training.
    ComputeError
        If a process died.
    """
    _refuse_unshared(samples, training)
    home = samples.table.device
    samples, validation = _shared(samples), None if validation is None else _shared(validation)
    with tempfile.TemporaryDirectory(prefix="quantdesk-") as folder:
        job = _Job(_packed(module.cpu(), loss), samples, validation, training, seed, Path(folder) / "meeting")
        learned = _ask(job, tell_of())
    module.load_state_dict(torch.load(io.BytesIO(learned.weights), weights_only=True))
    module.to(home).eval()
    return learned.effort


def _refuse_unshared(samples: Windows, training: Training) -> None:
    kind, n = device_of(training.device).type, training.n_processes
    if samples.is_by_time:
        what = f"{n} processes were asked to share batches of whole times"
        raise StrategyError(what, "one process, as the network reads a time at once", "set n_processes to 1")
    if kind not in ("cpu", "cuda"):
        raise StrategyError(f"{n} processes were asked to learn on {kind}", "cpu or cuda", "set the training's device")
    if kind == "cuda" and n > torch.cuda.device_count():
        what = f"{n} processes were asked to learn on {torch.cuda.device_count()} GPUs"
        raise StrategyError(what, "a GPU for each", "set n_processes to the number of GPUs")


def _packed(module: nn.Module, loss: Loss) -> bytes:
    for name in {type(part).__module__ for part in (*module.modules(), loss)}:
        # What was read from a strategy's file is in no folder where another process would find it.
        if PathFinder.find_spec(name.partition(".")[0]) is None:
            cloudpickle.register_pickle_by_value(sys.modules[name])
    packed: bytes = cloudpickle.dumps((module, loss))
    return packed


def _shared(samples: Windows) -> Windows:
    # In memory that processes see by its name: nothing of it is copied when they start.
    parts = (samples.table, samples.targets, samples.rows)
    table, targets, rows = (part.cpu().share_memory_() for part in parts)  # type: ignore[no-untyped-call]
    return replace(samples, table=table, targets=targets, rows=rows)


def _ask(job: _Job, tell: Tell) -> _Learned:
    n = job.training.n_processes
    # A server that has imported everything forks them: importing takes seconds, and each fold of each seed starts some.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torch._dynamo"])
    inbox, outbox = context.Pipe(duplex=False)
    started = start_processes(_work, (job, outbox), n, join=False, daemon=True, start_method="forkserver")  # type: ignore[no-untyped-call]
    outbox.close()
    try:
        said = _heard(started, inbox, tell)
    except ProcessException as error:
        raise _died(started, error, n) from None
    finally:
        for process in started.processes:
            process.kill()
            process.join()
    if isinstance(said, NotFinite):
        raise said
    assert isinstance(said, _Learned)
    return said


def _heard(started: ProcessContext, inbox: Connection, tell: Tell) -> object:
    said, is_over = None, False
    while not is_over:
        is_over = started.join(HEARD_SECONDS)
        with suppress(EOFError):  # whoever spoke is gone: why, the next join says
            while inbox.poll():
                message = inbox.recv()
                if isinstance(message, tuple):
                    tell(*message)
                else:
                    said = message
    return said


def _died(started: ProcessContext, error: ProcessException, n: int) -> ComputeError:
    # Others end because one did: it is the one that a signal took, other than the one that ends the rest.
    codes = [process.exitcode or 0 for process in started.processes]
    taken = [rank for rank, code in enumerate(codes) if code < 0 and -code != signal.SIGTERM]
    rank = taken[0] if taken else error.error_index
    how = f"died by signal {-codes[rank]}" if taken else f"ended with {str(error).strip().splitlines()[-1]}"
    found = ComputeError(
        f"process {rank + 1} of {n} that learned a network {how}",
        "processes that live until it is learned",
        "signal 9 is mostly want of memory: use fewer processes or smaller batches; else look at it with n_processes=1",
    )
    if isinstance(error, ProcessRaisedException):
        found.add_note(str(error))
    return found


def _work(rank: int, job: _Job, outbox: Connection) -> None:
    device = torch.device("cpu")
    if device_of(job.training.device).type == "cuda":
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
    # All are on this machine: no name of it need be looked up, no port opened to others.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    n, backend = job.training.n_processes, "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, f"file://{job.meeting}", LONGEST_WAIT, n, rank)
    try:
        with telling((lambda *progress: outbox.send(progress)) if rank == 0 else silent):
            said = _learned(job, Team(rank, n), device)
    finally:
        dist.destroy_process_group()
    if rank == 0:
        outbox.send(said)


def _learned(job: _Job, team: Team, device: torch.device) -> _Learned | NotFinite:
    module, loss = pickle.loads(job.parts)
    module = synchronised(module)
    samples, validation = _moved(job.samples, device), None if job.validation is None else _moved(job.validation, device)
    try:
        effort = learn(module, samples, validation, loss, job.training, job.seed, team)
    except NotFinite as broken:
        return broken
    file = io.BytesIO()
    torch.save({name: value.cpu() for name, value in module.state_dict().items()}, file)
    return _Learned(effort, file.getvalue())


def _moved(samples: Windows, device: torch.device) -> Windows:
    parts = (samples.table.to(device), samples.targets.to(device), samples.rows.to(device))
    return replace(samples, table=parts[0], targets=parts[1], rows=parts[2])
