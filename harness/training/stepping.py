"""The steps of one stage of a training on a device that has graphs: everything of a step is there, and recorded where it can be.

There are three ways, and all give the same numbers to the last bit, because they do the same work in the same order:

- ``captured``: a whole step is one graph, and the processor only starts it;
- ``halves``: forward and backward are a graph, and the optimizer steps eagerly;
- ``eager``: everything is started one by one.

The first step of a stage is always eager, so that the optimizer has its state. Before the second one the best way is
tried. What trying it changes is put back in place, and the first time in a process that an arm takes steps of these shapes,
its graph is compared with eager steps from the same state: where they differ, the next way is tried.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch

from harness.errors import HarnessError, one_line
from harness.training import group_entries
from harness.training.graphs import Recorder, Work
from harness.training.keeping import Kept, host_state, same_tensors, tensors_in
from harness.training.memory import tells_of_no_memory
from harness.training.pauses import QUIET, Pause
from harness.training.repeatable import noticed
from harness.training.ways import Way, WayName

if TYPE_CHECKING:
    from harness.training.at_work import AtWork
    from harness.training.augmentation import Targets

ISSUED = 8  # steps in a row, before the other runs of a crew have their turn; they take less time than the device does
COMPARED = 2  # steps, of a graph and eager ones
_ways: dict[object, Way] = {}  # that were tried and compared in this process, by what decides them


class DeviceSteps:
    """The steps of one stage; ``of(epoch)`` takes those of an epoch."""

    def __init__(self, parts: AtWork, recorder: Recorder) -> None:
        self._parts = parts
        self._recorder = recorder
        self._position = torch.zeros(1, dtype=torch.long, device=parts.device.name)  # of the step in its epoch
        self._drawn: dict[str, torch.Tensor] = {}  # what is random in the epoch, a row for every step
        self._rates: torch.Tensor | None = None  # [steps, groups] of the epoch, where the schedule is moved ahead
        self._plain_rates: list[list[float]] = []  # the same numbers on the processor
        self._step = 0  # of the epoch, counted on the processor
        self._taken = 0
        self._evaluations = 0  # of the gradient, that the optimizer asked for in this step
        self._compute: Work = self._differentiate
        self._take: Work = self._eager
        self._loss = self._value = torch.zeros((), device=parts.device.name)  # of the last evaluation
        self._first_loss: torch.Tensor | None = None  # of the first evaluation of a step
        self._places: tuple[int, ...] = ()  # in memory, of what a graph works on
        self.ahead = parts.captured and not parts.moved  # the schedule is moved by an epoch before its steps

    def release(self) -> None:
        """Let go of everything; it knows itself by its methods, and so would be kept until garbage is collected."""
        vars(self).clear()

    # --- an epoch

    def of(self, epoch: int) -> Iterator[Pause]:
        """Take the steps of an epoch; yield where others can work, because some steps are under way on the device."""
        self._put(self._parts.batches.draw(epoch))
        self._position.zero_()
        if self.ahead:
            self._move_schedule()
        if self._take != self._eager or self._compute != self._differentiate:
            self._check_places()
        steps = len(self._parts.batches)
        for step in range(steps):
            self._step = step
            self._next()
            if step % ISSUED == ISSUED - 1 and step < steps - 1:
                yield QUIET if self._parts.way is not None and self._parts.way.name == "captured" else None
        yield None

    def _next(self) -> None:
        if self._taken and self._parts.way is None:
            self._parts.way = self._find_way()
        self._evaluations = 0
        with noticed(self._parts.unrepeatable) if self._taken == 0 else nullcontext():
            self._take()
        self._parts.gradients += self._evaluations or 1  # without a closure, or in a graph, it is one
        self._taken += 1

    def _put(self, drawn: Mapping[str, torch.Tensor]) -> None:
        """Put what was drawn for an epoch where the steps read it; no step is waited for."""
        for name, tensor in drawn.items():
            if name not in self._drawn:
                self._drawn[name] = torch.empty_like(tensor, device=self._parts.device.name)
            copy_over(tensor, self._drawn[name])

    def _move_schedule(self) -> None:
        """Move the schedule by an epoch, and keep the rates of its steps.

        Where it moves more than the rate, all is put back: it is then moved step by step, and the optimizer steps eagerly.
        """
        parts = self._parts
        groups = parts.optimizer.param_groups
        before = group_entries.copy_groups(parts.optimizer), copy.deepcopy(parts.schedule.state_dict())
        rates = []
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*before `optimizer.step")
            for _ in range(len(parts.batches)):
                rates.append([float(group["lr"]) for group in groups])
                if not parts.ingredients.scheduler.per_epoch:
                    parts.step_schedule()
        if parts.moved:
            self.ahead, parts.way = False, None
            self._take, self._compute = self._eager, self._differentiate
            for group, entries in zip(groups, before[0], strict=True):
                group.update(entries)
            parts.schedule.load_state_dict(before[1])
            return
        self._plain_rates = rates
        if self._rates is None:
            self._rates = torch.zeros(len(rates), len(groups), device=parts.device.name)
        copy_over(torch.tensor(rates), self._rates)

    # --- a step

    def _eager(self) -> None:
        """Take one step; where the schedule is moved ahead, nothing in it depends on the processor."""
        parts = self._parts
        self._first_loss = None
        with parts.stepping:
            if parts.ingredients.optimizer.closure:
                parts.optimizer.step(self._evaluate)  # type: ignore[arg-type]
            else:
                self._compute()
                with self._rates_in_place():
                    parts.optimizer.step()
        parts.add_loss(self._loss if self._first_loss is None else self._first_loss)
        self._position.add_(1)
        if not self.ahead and not parts.ingredients.scheduler.per_epoch:
            parts.step_schedule()

    def _evaluate(self) -> torch.Tensor:
        """Evaluate the objective and its gradients, as a closure; the next evaluation leaves what it returns as it is."""
        self._compute()
        self._evaluations += 1
        if self._first_loss is None:
            self._first_loss = self._loss.clone()
        return self._value.clone()

    def _differentiate(self) -> None:
        """Make the batch, and compute the objective and its gradients."""
        self._parts.optimizer.zero_grad()
        inputs, targets = self._batch()
        self._loss, self._value = self._parts.objective.differentiate(inputs, targets)

    def _batch(self) -> tuple[torch.Tensor, Targets]:
        drawn = {name: tensor.index_select(0, self._position)[0] for name, tensor in self._drawn.items()}
        return self._parts.batches.make(drawn)

    @contextmanager
    def _rates_in_place(self) -> Iterator[None]:
        """Give the optimizer this step's rates: as tensors, where a graph is to read them anew at every step."""
        groups = self._parts.optimizer.param_groups
        if not self.ahead:
            yield
            return
        assert self._rates is not None
        static = self._recorder.static
        rates = self._rates.index_select(0, self._position)[0] if static else self._plain_rates[self._step]
        kept = [group["lr"] for group in groups]
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        try:
            yield
        finally:
            for group, plain in zip(groups, kept, strict=True):
                group["lr"] = plain

    # --- the way

    def _find_way(self) -> Way:
        """Record the steps in the best way that gives the numbers of eager ones; return it."""
        names, reasons = self._possible_ways()
        key = self._decides()
        known = _ways.get(key)
        for name in names if known is None else names[names.index(known.name) :]:
            problem = self._try(name, compare=known is None) if name != "eager" else ""
            if not problem:
                way = (
                    known if known is not None and known.name == name else Way(name, "; ".join(dict.fromkeys(reasons)))
                )
                _ways.setdefault(key, way)
                return way
            reasons.append(problem)
        raise AssertionError("eager steps can be taken")

    def _possible_ways(self) -> tuple[list[WayName], list[str]]:
        """Return the ways to try, the best one first, and why a better one is not among them."""
        offer, moved = self._parts.ingredients.optimizer, self._parts.moved
        if offer.second_order:
            return ["eager"], [f"optimizer '{offer.name}' differentiates the gradients again"]
        if hooked := _hooked(self._parts.model, self._parts.optimizer):
            return ["eager"], [f"{hooked} has a hook, which a graph would not call"]
        if self.ahead:
            return ["captured", "halves", "eager"], []
        if offer.closure:
            reason = f"optimizer '{offer.name}' evaluates the objective itself"
        elif offer.captured is None:
            reason = f"optimizer '{offer.name}' does not declare how its step is captured"
        else:
            reason = f"scheduler '{self._parts.ingredients.scheduler.name}' moves {', '.join(moved)}"
        return ["halves", "eager"], [reason]

    def _decides(self) -> object:
        """Return what decides the way: beside what decides any graph, how the optimizer is built and the batch is made."""
        run = self._parts.run
        settings = (
            (name, value if isinstance(value, bool | str) else value == 0) for name, value in run.optimizer.items()
        )
        drawn = tuple((name, tensor.shape[1:], tensor.dtype) for name, tensor in self._drawn.items())
        return type(self._recorder), *self._parts.decisive, bool(run.l2), run.l2_on, self.ahead, tuple(settings), drawn

    def _try(self, name: WayName, compare: bool) -> str:
        """Record the steps in a way; return why that cannot be, or "". Whatever happens, the training is where it was."""
        work = self._eager if name == "captured" else self._differentiate
        optimizer = self._parts.optimizer if name == "captured" else None
        tensors_kept = Kept(self._tensors(), self._parts.model, self._parts.device, optimizer)
        expected: list[torch.Tensor] = []
        if compare:
            before = self._host_state()
            expected = self._after(work)
            changed = "" if self._host_state() == before else "it depends on numbers that Python keeps"
            tensors_kept.put_back()
            if changed:
                return changed
        try:
            replay = self._recorder.record(work)
        except Exception as error:
            lacks_memory = isinstance(error, torch.OutOfMemoryError) or tells_of_no_memory(str(error))
            if lacks_memory:  # no matter of the way: without the others of its crew there is room
                raise
            tensors_kept.put_back()
            return f"it cannot be captured ({str(error) if isinstance(error, HarnessError) else one_line(error)})"
        tensors_kept.put_back()
        if name == "halves":
            replay = self._with_gradients(replay)
        if compare:
            equal = same_tensors(self._after(replay), expected)
            tensors_kept.put_back()
            if not equal:
                return f"a graph of {'the whole step' if name == 'captured' else 'forward and backward'} gives other numbers"
        if name == "captured":
            self._take = replay
        else:
            self._compute = replay
        self._places = self._places_now()
        return ""

    def _after(self, work: Callable[[], object]) -> list[torch.Tensor]:
        """Return copies of all tensors, gradients among them, after doing the work a few times.

        An epoch may have fewer steps left, or in all: then it is that of its first ones.
        """
        steps = len(self._parts.batches)
        if self._step + COMPARED > steps:
            self._position.zero_()
        for _ in range(min(COMPARED, steps)):
            work()
        gradients = [p.grad for p in self._parts.parameters if p.grad is not None]
        state = tensors_in(list(self._parts.optimizer.state.values()))
        return [tensor.detach().clone() for tensor in [*self._tensors(), *state, *gradients]]

    def _with_gradients(self, replay: Work) -> Work:
        """Return the replay, after which the parameters have the gradients that it writes: an optimizer may have dropped them."""
        gradients = [(p, p.grad) for p in self._parts.parameters]
        loss, value = self._loss, self._value

        def replayed() -> None:
            replay()
            for parameter, gradient in gradients:
                parameter.grad = gradient
            self._loss, self._value = loss, value

        return replayed if self._recorder.static else replay  # the work itself has new tensors as results

    def _tensors(self) -> list[torch.Tensor]:
        """Return everything that a step changes, beside the optimizer's state."""
        model = self._parts.model
        return [*model.parameters(), *model.buffers(), self._parts.running_loss, self._position]

    def _host_state(self) -> object:
        """Return what a step must leave alone, for a graph would not change it: what Python keeps."""
        return host_state(self._parts.model, self._parts.optimizer, self._parts.device)

    def _places_now(self) -> tuple[int, ...]:
        return tuple(tensor.data_ptr() for tensor in self._tensors())

    def _check_places(self) -> None:
        """Take the steps eagerly where weights have moved in memory since they were recorded."""
        if self._places_now() != self._places:
            self._take, self._compute = self._eager, self._differentiate
            self._parts.way = Way("eager", "its weights have moved in memory")


def copy_over(source: torch.Tensor, place: torch.Tensor) -> None:
    """Copy a tensor from the processor to its place on the device, without waiting for the work that is under way there."""
    if place.is_cuda:
        place.copy_(source.pin_memory(), non_blocking=True)
    else:
        place.copy_(source)


def _hooked(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """Return what has a hook, "" where nothing has one."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(module, name, None) for module in model.modules() for name in names):
        return "the network"
    if any(p._backward_hooks or getattr(p, "_post_accumulate_grad_hooks", None) for p in model.parameters()):
        return "a weight"
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return "the optimizer"
    return ""
