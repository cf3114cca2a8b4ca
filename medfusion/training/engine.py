"""The training loop, the only one, for every combination of inputs and targets.

The loop is plain PyTorch; device, precision and gradient synchronisation are Lightning Fabric's.
All that decides what the next step does is in `Engine.state_dict`: a run that is killed and resumed
from it ends with the same weights, bit for bit, as one that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from medfusion.data import Loader
from medfusion.data.batch import Batch
from medfusion.errors import TrainingError
from medfusion.spec import Training, smaller_is_better
from medfusion.training import checkpoint
from medfusion.training.callbacks import Callback, EpochReport, StepReport
from medfusion.training.inside import Inside, gradient_norms
from medfusion.training.objective import Moment, Objective, forward, target_of
from medfusion.training.schedules import Schedule

End = Literal["finished", "stopped"]


@dataclasses.dataclass
class Progress:
    """Counters of training; all of them are in a checkpoint.

    Attributes:
        epoch: Epochs completed.
        batch: Batches of the current epoch done.
        step: Steps of the optimizer done.
        loss_sum: Sum of the losses of the current epoch's rows so far.
        loss_count: Number of those rows.
        best: Best monitored value so far.
        best_epoch: Its epoch.
        waited: Epochs since then.
        done: Whether training is over.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0
    done: bool = False


class Engine:
    """Trains a model on one loader and judges it on another.

    Args:
        model: Takes the inputs of a `Batch`; see `medfusion.models.MultimodalModel`.
        optimizer: Over all trainable parameters of the model; each group's `lr` is its base rate.
        schedule: Factor on those rates.
        objective: What is made small; its task judges the validation rows.
        train: Training rows, shuffled.
        val: Validation rows.
        settings: The training part of the experiment.
        monitor: Validation value that picks the best epoch, for instance "val/auc".
        fabric: Device and precision.
        callbacks: Who watches.
        save_last: Called with tensors and state where training may be resumed from.
        save_best: Called with the weights of a new best epoch.
        ask: Returns what a person wants after each step: "run" or "stop"; may block to pause.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        objective: Objective,
        train: Loader,
        val: Loader,
        settings: Training,
        monitor: str,
        fabric: Fabric,
        callbacks: Sequence[Callback] = (),
        save_last: Callable[[dict[str, Tensor], dict[str, Any]], None] = lambda *_: None,
        save_best: Callable[[dict[str, Tensor], dict[str, Any]], None] = lambda *_: None,
        ask: Callable[[], str] = lambda: "run",
    ) -> None:
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.plain_model = model
        self.model, self.optimizer = fabric.setup(model, optimizer)
        self.schedule, self.objective, self.task = schedule, objective, objective.task
        self.train_loader, self.val_loader = train, val
        self.settings, self.monitor, self.fabric = settings, monitor, fabric
        self.callbacks = list(callbacks)
        self.save_last, self.save_best, self.ask = save_last, save_best, ask
        self.progress = Progress()
        self.judged: tuple[Tensor, Tensor] | None = None  # kept logits and targets, last validated
        self._inside = Inside.of(model)
        self._seconds = self._waited = 0.0  # of this epoch in this process, for its report
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the optimizer in one epoch."""
        return optimizer_steps(self.train_loader, self.settings)

    # The loop ------------------------------------------------------------------------------------

    def run(self) -> End:
        """Train until the last epoch, early stopping or a stop that was asked for.

        Raises:
            TrainingError: The loss became infinite or not a number.
        """
        progress = self.progress
        self._tell("on_train_begin")
        while not progress.done:
            started = time.perf_counter()
            if not self._train_epoch():
                self.checkpoint()
                self._tell("on_train_end")
                return "stopped"
            self._end_epoch(started)
            self.checkpoint()
        self._tell("on_train_end")
        return "finished"

    def _train_epoch(self) -> bool:
        """Train the rest of the current epoch; return False when a stop was asked for."""
        progress, settings = self.progress, self.settings
        self.model.train()
        saved, started, waited, losses = time.monotonic(), time.perf_counter(), 0.0, []
        batches = self.train_loader.epoch(progress.epoch, start=progress.batch)
        for loaded, wait in _timed(batches):
            waited += wait
            batch = loaded.to(self.fabric.device)
            first, last = self._place(progress.batch)
            if first == progress.batch:
                self._set_rates()
            with self._synchronised(last == progress.batch):
                parts = self.objective(self.model, batch, self._moment())
                loss = torch.stack(list(parts.values())).sum()
                self.fabric.backward(loss / (last - first + 1))
            losses.append({name: part.detach() for name, part in parts.items()})
            progress.loss_sum += self._finite(loss) * len(batch)
            progress.loss_count += len(batch)
            progress.batch += 1
            if progress.batch <= last:
                continue

            self._record_gradients()
            norm = self._clip()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            progress.step += 1
            now = time.perf_counter()
            self._seconds += now - started
            self._waited += waited
            means = _means(losses)
            report = StepReport(
                step=progress.step,
                epoch=progress.epoch + 1,
                loss=sum(means.values()),
                parts=means if len(means) > 1 else {},
                lr=self.optimizer.param_groups[0]["lr"],
                grad_norm=norm,
                seconds=now - started,
                wait_seconds=waited,
            )
            started, waited, losses = now, 0.0, []
            self._tell("on_step_end", report)
            if self.ask() == "stop":
                return False
            if time.monotonic() - saved > 60 * settings.checkpoint_minutes:
                self.checkpoint()
                saved = time.monotonic()
        return True

    def _end_epoch(self, started: float) -> None:
        """Validate, keep the best weights, decide whether to go on."""
        progress = self.progress
        metrics = {"train/loss": progress.loss_sum / max(1, progress.loss_count)}
        metrics |= self.validate()
        progress.epoch += 1
        progress.batch, progress.loss_sum, progress.loss_count = 0, 0.0, 0
        value = metrics.get(self.monitor)
        better = self._better(value)
        if better:
            progress.best, progress.best_epoch, progress.waited = value, progress.epoch, 0
        else:
            progress.waited += 1
        self.schedule.epoch_end(value)
        stopping = self.settings.early_stopping
        progress.done = progress.epoch >= self.settings.epochs or (
            stopping is not None and progress.waited >= stopping.patience
        )
        if better:
            self.save_best(self.plain_model.state_dict(), {"epoch": progress.epoch, **metrics})
        seconds = time.perf_counter() - started
        wait = round(self._waited / self._seconds, 5) if self._seconds else 0.0
        self._seconds = self._waited = 0.0
        report = EpochReport(
            progress.epoch,
            progress.step,
            metrics,
            better,
            seconds,
            wait,
            classes=self._class_metrics(),
            inside=self._inside.summary(),
        )
        self._tell("on_epoch_end", report)

    # Its parts -----------------------------------------------------------------------------------

    def validate(self) -> dict[str, float]:
        """Return "val/loss" and the target's metrics on the validation rows."""
        logits, target = self.judged = self.logits(self.val_loader)
        loss = float(self.task.loss_of(logits, target))
        metrics = self.task.metrics(target.numpy(), logits)
        if math.isfinite(loss):
            metrics = {"loss": loss, **metrics}
        return {f"val/{name}": value for name, value in metrics.items()}

    @torch.no_grad()
    def logits(self, loader: Loader) -> tuple[Tensor, Tensor]:
        """Return what the task keeps of a loader's rows: logits [n, ...] and targets, on the CPU."""
        self.model.eval()
        logits, targets = [], []
        for batch in loader.epoch(0):
            moved = batch.to(self.fabric.device)
            output = forward(self.model, moved)
            self._inside.add(output.aux)
            kept, target = self.task.keep(output.logits.float(), target_of(moved))
            logits.append(kept)
            targets.append(target)
            self._tell("on_validation_step")
        return torch.cat(logits), torch.cat(targets)

    def _place(self, batch: int) -> tuple[int, int]:
        """Return the first and the last batch of the optimizer step that a batch belongs to."""
        first = batch - batch % self.settings.accumulate
        return first, min(first + self.settings.accumulate, len(self.train_loader)) - 1

    def _moment(self) -> Moment:
        progress = self.progress
        done = progress.epoch + progress.batch / max(1, len(self.train_loader))
        return Moment(done, self.settings.epochs)

    def _set_rates(self) -> None:
        factor = self.schedule.factor(self.progress.step)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor

    def _synchronised(self, last: bool) -> contextlib.AbstractContextManager[None]:
        return self.fabric.no_backward_sync(self.model, enabled=not last)

    def _class_metrics(self) -> dict[str, dict[str, float]]:
        if self.judged is None:
            return {}
        return self.task.class_metrics(self.judged[1].numpy(), self.judged[0])

    def _record_gradients(self) -> None:
        every, step = self.settings.record.gradients, self.progress.step + 1
        if every is None or (step % every and step != 1):
            return
        scaler = getattr(self.fabric.strategy.precision, "scaler", None)
        scale = 1.0 if scaler is None else float(scaler.get_scale())
        self._tell("on_gradients", step, gradient_norms(self.plain_model, scale))

    def _clip(self) -> float | None:
        if self.settings.clip_norm is None:
            return None
        norm = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.settings.clip_norm, error_if_nonfinite=False
        )
        return float(norm) if norm is not None and math.isfinite(norm) else None

    def _finite(self, loss: Tensor) -> float:
        value = float(loss.detach())
        if not math.isfinite(value):
            msg = (
                f"the loss became {value} in epoch {self.progress.epoch + 1}, after step "
                f"{self.progress.step}: lower training.optimizer.lr, or set training.clip_norm"
            )
            raise TrainingError(msg)
        return value

    def _better(self, value: float | None) -> bool:
        best, stopping = self.progress.best, self.settings.early_stopping
        if value is None:
            # Never without any weights to evaluate: the first epoch counts in any case.
            return self.progress.best_epoch == 0
        if best is None:
            return True
        delta = stopping.min_delta if stopping is not None else 0.0
        down = smaller_is_better(self.monitor)
        return value < best - delta if down else value > best + delta

    def _tell(self, event: str, *report: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, *report)

    # What a checkpoint holds ---------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Hand over all that resuming needs."""
        self.save_last(*self.state_dict())

    def state_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and the plain values that decide what comes next."""
        tensors = {f"model.{k}": v for k, v in self.plain_model.state_dict().items()}
        tensors |= checkpoint.random_states()
        plain = self.optimizer.state_dict()
        slots: dict[str, Any] = {}
        for index, slot in plain["state"].items():
            for name, value in slot.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{index}.{name}"] = value
                else:
                    slots[f"{index}.{name}"] = value
        state = {
            "progress": dataclasses.asdict(self.progress),
            "schedule": self.schedule.state(),
            "optimizer": {"slots": slots, "groups": plain["param_groups"]},
            "precision": self.fabric.strategy.precision.state_dict(),
            "threads": torch.get_num_threads(),
        }
        return tensors, state

    def load_state_dict(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.plain_model.load_state_dict(
            {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        )
        slots: dict[int, dict[str, Any]] = {}
        found = {k: v for k, v in tensors.items() if k.startswith("optimizer.")}
        found |= {f"optimizer.{k}": v for k, v in state["optimizer"]["slots"].items()}
        for key, value in found.items():
            _, index, name = key.split(".", 2)
            slots.setdefault(int(index), {})[name] = value
        groups = state["optimizer"]["groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        self.schedule.load(state["schedule"])
        if state["precision"]:
            self.fabric.strategy.precision.load_state_dict(state["precision"])
        self.progress = Progress(**state["progress"])
        checkpoint.restore_random_states(tensors)


def optimizer_steps(loader: Loader, settings: Training) -> int:
    """Return the steps of the optimizer in one epoch of a loader."""
    return -(-len(loader) // settings.accumulate)


def _means(losses: list[dict[str, Tensor]]) -> dict[str, float]:
    return {
        name: float(torch.stack([parts[name] for parts in losses]).mean()) for name in losses[0]
    }


def _timed(batches: Iterator[Batch]) -> Iterator[tuple[Batch, float]]:
    """Yield each batch with the seconds that it was waited for."""
    with contextlib.closing(batches):  # type: ignore[type-var]
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            yield batch, time.perf_counter() - started


def seed_everything(seed: int) -> None:
    """Seed torch and NumPy's global generator, which third-party layers may draw from."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global generator is the one meant
