"""Takes texts, checks and trains them one after the other, and deletes everything in time."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from hubcharlstm import BusyError
from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.making.job import Phase, TrainingJob
from hubcharlstm.demo.making.job_state import describe, in_words, no_job, readable, why_early, why_nothing
from hubcharlstm.demo.making.limits import MakingLimits, check_room, check_text
from hubcharlstm.demo.making.process import STOP_SECONDS, TrainerProcess
from hubcharlstm.demo.making.storage import Storage, delete_tree, ran_out_of_room
from hubcharlstm.demo.private_models import MADE_HERE, PrivateModels
from hubcharlstm.demo.words.catalogue import as_json, said_by, sentence
from hubcharlstm.model import CharLSTM

logger = logging.getLogger(__name__)

CHECK_SECONDS = 180.0
"""That a pre-flight may take."""
GRACE_SECONDS = 90.0
"""Beyond its time, after which a training is killed: it ends by itself long before."""
ABSENT_SECONDS, MAX_AGE = 600.0, 3_600.0
"""After an owner's last tab has gone, and after the training has ended; then the text and all that came of it go."""
EXPIRY_SECONDS = 10.0
"""Between two checks for what is to be deleted."""


class TrainingManager:
    """The texts of all owners, one each. Used by one event loop only.

    One training runs at a time, and one pre-flight beside it; the others wait in order.
    """

    def __init__(
        self,
        limits: MakingLimits,
        private: PrivateModels,
        storage: Storage,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits, self.private, self.storage, self._clock = limits, private, storage, clock
        self._jobs: dict[str, TrainingJob] = {}
        self._queue: deque[TrainingJob] = deque()
        self._training: TrainingJob | None = None
        self._checking = asyncio.Semaphore(1)
        self._changing = asyncio.Lock()  # an owner's text is taken or deleted as a whole
        self._watcher: asyncio.Task[None] | None = None
        self._removals: set[asyncio.Task[None]] = set()

    # --- what an owner asks for -----------------------------------------------------------------------------------

    def check_admission(self, owner: str, address: str) -> None:
        """Raise `BusyError` if no text of this owner can be taken now."""
        others = [job for job in self._jobs.values() if job.owner != owner]
        check_room(self.limits, len(others), sum(job.address == address for job in others) if address else 0)

    async def submit(self, owner: str, address: str, title: str, text: str) -> None:
        """Take a text in place of the owner's last one, and begin to check it; raises `ValueError`."""
        check_text(text)
        async with self._changing:
            self.check_admission(owner, address)
            await self._forget(owner)
            await self._take(owner, address, title, text)

    async def _take(self, owner: str, address: str, title: str, text: str) -> None:
        job = TrainingJob(owner, address, title, len(text), self.storage.new_folder(), seen=self._clock())
        self._jobs[owner] = job
        try:
            await asyncio.to_thread(job.text_file.write_text, text, encoding="utf-8", newline="")
        except OSError:
            await self._forget(owner)
            raise
        job.task = asyncio.create_task(self._guard(job, self._check(job)))
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())

    def start(self, owner: str, seconds: int, source: str) -> None:
        """Train on the owner's text, or wait for it. source: the model to begin with, "" for none."""
        job = self._job(owner)
        if job.phase is not Phase.CHECKED:
            raise UserError(sentence("make.nothing_checked"))
        if self._training is not None and len(self._queue) >= self.limits.max_queued:
            wait = in_words(self._wait_of(len(self._queue)))
            raise BusyError(
                sentence("make.queue_full", count=len(self._queue), limit=self.limits.max_queued, wait=wait)
            )
        self.private.check_room(owner, job.address if self.limits.max_per_address else "")
        job.seconds, job.source, job.phase = seconds, source, Phase.QUEUED
        self._queue.append(job)
        self._start_next()

    def stop(self, owner: str) -> None:
        """Stop the owner's training, which retains the best so far, or take it out of the queue."""
        job = self._job(owner)
        if job.phase is Phase.QUEUED:
            self._queue.remove(job)
            job.phase = Phase.CHECKED
        elif job.phase is Phase.TRAINING:
            job.is_stopped = True

    async def forget(self, owner: str, job: TrainingJob | None = None) -> None:
        """Delete an owner's text and all that came of it: processes, files, the model. job: no other but this one."""
        async with self._changing:
            if job is None or self._jobs.get(owner) is job:  # another may have been taken in its place meanwhile
                await self._forget(owner)

    async def _forget(self, owner: str) -> None:
        job = self._jobs.pop(owner, None)
        if job is None:
            return
        if job in self._queue:
            self._queue.remove(job)
        if job.task is not None and job.task is not asyncio.current_task():
            job.task.cancel()
            await asyncio.wait([job.task])
        if job.label:
            label, job.label = job.label, ""
            self.private.remove(owner, label)
        await asyncio.to_thread(self.storage.delete, job.folder)

    async def again(self, owner: str) -> None:
        """Forget the owner's model, and choose anew for the same text."""
        async with self._changing:  # a second press waits, and finds it done
            job = self._job(owner)
            if job.phase is Phase.CHECKED:
                return
            if job.findings is None or job.phase not in (Phase.READY, Phase.FAILED):
                raise UserError(sentence("make.nothing_ended"))
            await self._reset(job)

    def state(self, owner: str) -> dict[str, Any]:
        """What the page shows of the owner's text."""
        job = self._jobs.get(owner)
        if job is None:
            return no_job()
        job.seen = self._clock()
        return describe(job, job.seen, self._queue_state(job))

    def finished(self, owner: str) -> TrainingJob:
        """The owner's job if its model is ready; raises `UserError` otherwise."""
        job = self._job(owner)
        if job.phase is not Phase.READY:
            raise UserError(sentence("make.nothing_finished"))
        return job

    async def close(self) -> None:
        """End every process and delete everything."""
        if self._watcher is not None:
            self._watcher.cancel()
        self._queue.clear()
        for owner in list(self._jobs):
            await self.forget(owner)
        await asyncio.to_thread(self.storage.close)

    # --- what happens then ----------------------------------------------------------------------------------------

    async def _guard(self, job: TrainingJob, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`, and say on the page if it fails."""
        try:
            await work
        except OSError as error:
            job.phase, job.ended = Phase.FAILED, self._clock()
            job.sentence = sentence("make.no_storage", reason=error.strerror)
        except Exception:
            job.phase, job.ended = Phase.FAILED, self._clock()
            job.sentence = sentence("make.went_wrong")
            raise

    async def _check(self, job: TrainingJob) -> None:
        """Run the pre-flight of a text."""
        async with self._checking:
            arguments = ["fit", job.text_file.name, "--dry-run", "--json", "--out", "run"]
            code = await self._run_process(job, arguments, CHECK_SECONDS)
            assert job.process is not None
            if code == 0:
                job.findings = {**json.loads(job.process.answer()), "title": job.title}
                job.phase = Phase.CHECKED
            else:
                job.sentence = readable(job.process.error(), job) or (
                    sentence("make.check_too_long") if code is None else sentence("make.check_ended")
                )
                job.phase, job.ended = Phase.FAILED, self._clock()

    def _start_next(self) -> None:
        if self._training is None and self._queue:
            job = self._training = self._queue.popleft()
            job.phase, job.begun = Phase.TRAINING, self._clock()
            work = self._train(job)
            job.task = asyncio.create_task(self._guard(job, work))
            job.task.add_done_callback(lambda _: self._on_trained(work))

    def _on_trained(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin the next training: called however this one ended, also if it was cancelled before its first step."""
        work.close()
        self._training = None
        self._start_next()

    async def _train(self, job: TrainingJob) -> None:
        arguments = ["fit", job.text_file.name, "--out", "run", "--minutes", f"{job.seconds / 60:g}"]
        if job.source:
            arguments += ["--init-from", job.source]
        code = await self._run_process(job, arguments, job.seconds + GRACE_SECONDS)
        job.ended = self._clock()
        await self._finish(job, code)

    async def _finish(self, job: TrainingJob, code: int | None) -> None:
        """Offer the model to its owner, or say why there is none."""
        assert job.process is not None
        is_full = code != 0 and ran_out_of_room(job.process.error(), job.folder)
        if (job.model_folder / "config.json").is_file():  # whatever ended it, the best so far is there
            try:
                await self._offer(job)
            except ValueError as error:
                job.phase, job.sentence = Phase.FAILED, said_by(error)
            else:
                job.phase = Phase.READY
                if code != 0:
                    job.sentence = why_early(is_stopped=job.is_stopped, is_full=is_full)
        elif job.is_stopped:
            await self._reset(job)
            job.sentence = sentence("make.stopped_nothing")
        else:
            job.phase = Phase.FAILED
            job.sentence = why_nothing(readable(job.process.error(), job), is_full=is_full, is_late=code is None)

    async def _offer(self, job: TrainingJob) -> None:
        """Add the trained model to those of its owner; raises `ValueError`."""
        model = await asyncio.to_thread(CharLSTM.from_pretrained, str(job.model_folder), device="cpu")
        label = f"{job.title}, {MADE_HERE}"
        job.label = await self.private.add(
            job.owner,
            label,
            model,
            address=job.address if self.limits.max_per_address else "",
            on_remove=lambda: self._on_remove(job),
        )

    def _on_remove(self, job: TrainingJob) -> None:
        """The model has been removed: by this manager, which has taken its label before, or by anyone else."""
        if job.label and self._jobs.get(job.owner) is job:
            job.label = ""
            self._removals.add(removal := asyncio.create_task(self.forget(job.owner, job)))
            removal.add_done_callback(self._removals.discard)

    async def _reset(self, job: TrainingJob) -> None:
        """Back to the checked text: without its run and its model."""
        if job.label:
            label, job.label = job.label, ""
            self.private.remove(job.owner, label)
        await asyncio.to_thread(delete_tree, job.run)
        job.begun, job.ended, job.is_stopped, job.sentence = 0.0, 0.0, False, ""
        job.phase = Phase.CHECKED

    async def _run_process(self, job: TrainingJob, arguments: list[str], seconds: float) -> int | None:
        """Run `python -m training` in a job's folder to its end; None for one killed after `seconds`."""
        process = job.process = TrainerProcess.start(arguments, job.folder)
        try:
            deadline = time.monotonic() + seconds
            while (code := await process.wait(0.5)) is None and time.monotonic() < deadline:
                if job.is_stopped:
                    process.request_stop()
                    return await process.wait(STOP_SECONDS)
            return code
        finally:
            await asyncio.shield(asyncio.to_thread(process.kill))

    async def _watch(self) -> None:
        """Delete what nobody waits for any more. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            await self.delete_expired()

    async def delete_expired(self) -> None:
        """Delete the texts of owners who have left, and those whose training ended an hour ago."""
        now = self._clock()
        for owner, job in list(self._jobs.items()):
            absent = min(self.private.owners.absent_seconds(owner), now - job.seen)
            is_old = job.ended and now - job.ended >= MAX_AGE
            is_idle = job.phase is Phase.CHECKED and now - job.seen >= MAX_AGE
            if absent >= ABSENT_SECONDS or is_old or is_idle:
                try:
                    await self.forget(owner, job)
                except OSError:  # tried again at the next start of a server
                    logger.exception("a text of a visitor could not be deleted")

    # --- the queue ------------------------------------------------------------------------------------------------

    def _job(self, owner: str) -> TrainingJob:
        job = self._jobs.get(owner)
        if job is None:
            raise UserError(sentence("make.gone"))
        job.seen = self._clock()
        return job

    def _queue_state(self, job: TrainingJob) -> dict[str, Any] | None:
        if job not in self._queue:
            return None
        position = self._queue.index(job)
        return {"before": position + (self._training is not None), "wait": as_json(in_words(self._wait_of(position)))}

    def _wait_of(self, position: int) -> float:
        """Seconds until the training at `position` of the queue begins."""
        running = self._training
        rest = max(0.0, running.seconds - running.elapsed(self._clock())) + 5 if running is not None else 0.0
        return rest + sum(job.seconds + 5 for job in list(self._queue)[:position])
