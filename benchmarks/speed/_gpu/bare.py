"""The bare limit on this device: torch alone, eager, as one graph, and as several graphs on streams of their own.

The network has lesson_cnn's shape. A graph holds several whole steps: it gathers a batch by a counter on the device, goes
forward and backward, and steps the optimizer. Everything is deterministic, so the three ways must give equal weights.
"""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from typing import Any

from _gpu.setting import Context, same

BATCH, PHOTOS, SIDE, MEMBERS, A_GRAPH, WARM = 64, 2048, 32, 8, 10, 3
OPTIMIZERS = {
    "adam": ("Adam", {"lr": 1e-3, "fused": True, "capturable": True}),
    "sgd": ("SGD", {"lr": 0.02, "momentum": 0.9, "fused": True}),
}


def lesson_network() -> Any:
    """Return a network of lesson_cnn's shape: five convolutions, of which three halve the image."""
    from torch import nn

    layers: list[nn.Module] = []
    before = 3
    for number, channels in enumerate((16, 32, 32, 48, 48)):
        pooling = [nn.MaxPool2d(2)] if number < 3 else []
        convolution = nn.Conv2d(before, channels, 3, padding=1, bias=False)
        layers += [convolution, *pooling, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 2))


@dataclass
class Training:
    """One training: what its steps read and write lies on the device."""

    context: Context
    seed: int
    optimizer_name: str
    bf16: bool
    steps: int
    build: Any = None  # of the network; lesson_cnn's shape without it
    side: int = SIDE
    batch: int = BATCH
    count: int = PHOTOS
    graph: Any = None

    def __post_init__(self) -> None:
        import torch

        device = self.context.device
        torch.manual_seed(self.seed)
        network = self.build() if self.build else lesson_network()
        self.network = network.to(device).to(memory_format=torch.channels_last)
        random = torch.Generator(device).manual_seed(1000 + self.seed)
        photos = torch.randn(self.count, 3, self.side, self.side, device=device, generator=random)
        self.photos = photos.contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(0, 2, (self.count,), device=device, generator=random)
        self.rows = torch.randint(0, self.count, (self.steps, self.batch), device=device, generator=random)
        self.number = torch.zeros(1, dtype=torch.long, device=device)  # of the step, counted on the device
        class_name, settings = OPTIMIZERS[self.optimizer_name]
        rate = torch.tensor(
            settings["lr"], device=device
        )  # a tensor, so that a schedule could write it before a replay
        more = settings if self.context.gpu else {name: settings[name] for name in settings if name != "capturable"}
        self.optimizer = getattr(torch.optim, class_name)(self.network.parameters(), **{**more, "lr": rate})
        self.stream = torch.cuda.Stream() if self.context.gpu else None

    def step(self) -> None:
        """Take one step; nothing in it waits for the device."""
        import torch

        rows = self.rows.index_select(0, self.number)[0]
        self.number.add_(1).remainder_(self.steps)
        with torch.autocast(self.context.device.partition(":")[0], torch.bfloat16, enabled=self.bf16):
            outputs = self.network(self.photos[rows])
        loss = torch.nn.functional.cross_entropy(outputs.float(), self.labels[rows])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def capture(self) -> None:
        """Capture some steps as a graph, and put back what the steps that warm up have changed."""
        import torch

        kept = [*self.network.parameters(), *self.network.buffers()]
        with torch.cuda.stream(self.stream):
            before = [tensor.detach().clone() for tensor in kept]
            for _ in range(WARM):
                self.step()
            torch.cuda.synchronize()
            self.optimizer.zero_grad(set_to_none=True)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                for _ in range(A_GRAPH):
                    self.step()
            with torch.no_grad():
                for tensor, value in zip(kept, before, strict=True):
                    tensor.copy_(value)
                for state in self.optimizer.state.values():
                    for value in state.values():
                        value.zero_()
                self.number.zero_()

    def go_on(self) -> None:
        """Issue as many steps as a graph has."""
        import torch

        if self.stream is None:
            for _ in range(A_GRAPH):
                self.step()
            return
        with torch.cuda.stream(self.stream):
            if self.graph is not None:
                self.graph.replay()
                return
            for _ in range(A_GRAPH):
                self.step()

    def weights(self) -> Any:
        """Return all weights as one vector."""
        import torch

        return torch.cat([parameter.detach().flatten() for parameter in self.network.parameters()])


def trained(
    context: Context, optimizer: str, bf16: bool, members: int, graph: bool, steps: int, **more: Any
) -> tuple[Any, float]:
    """Train some networks side by side; return the weights of the first, and the images a second of all together."""
    trainings = [Training(context, seed, optimizer, bf16, steps, **more) for seed in range(members)]
    for training in trainings if graph else ():
        training.capture()
    context.wait()
    began = time.perf_counter()
    for _ in range(steps // A_GRAPH):
        for training in trainings:
            training.go_on()
    context.wait()
    return trainings[0].weights(), members * steps * trainings[0].batch / (time.perf_counter() - began)


def deterministic() -> None:
    """Have torch take kernels whose sums do not depend on chance."""
    import torch

    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)


def bare(context: Context) -> None:
    """Measure all ways for two optimizers and two precisions."""
    import torch

    deterministic()
    name = torch.cuda.get_device_name() if context.gpu else "cpu"
    context.say(device=name, torch=torch.__version__, cuda=torch.version.cuda, python=platform.python_version())
    steps = context.sized(300, 10)
    trained(context, "adam", False, 1, False, A_GRAPH)  # warms up
    for optimizer in OPTIMIZERS:
        for bf16 in (False, True):
            what = f"{optimizer} {'bf16' if bf16 else 'float32'}"
            context.tried(what, lambda o=optimizer, b=bf16, w=what: _measured(context, o, b, w, steps))


def _measured(context: Context, optimizer: str, bf16: bool, what: str, steps: int) -> None:
    eager, eager_speed = trained(context, optimizer, bf16, 1, graph=False, steps=steps)
    one, one_speed = trained(context, optimizer, bf16, 1, graph=context.gpu, steps=steps)
    crew, crew_speed = trained(context, optimizer, bf16, MEMBERS, graph=context.gpu, steps=steps)
    speeds = {"eager": round(eager_speed), "graph": round(one_speed), f"crew of {MEMBERS}": round(crew_speed)}
    gaps = {"eager - graph": same(eager, one), "graph - crew": same(one, crew)}
    context.check(f"bare: {what}: equal weights", not any(gaps.values()), images_per_second=speeds, gaps=gaps)


def bare_crew(
    context: Context, build: Any, side: int, batch: int, photos: int, optimizer: str, bf16: bool, members: int
) -> None:
    """Measure the bare limit of a network: one graph, and a crew of so many."""
    deterministic()
    steps = context.sized(60, A_GRAPH)
    more = {"build": build, "side": side, "batch": batch, "count": photos}
    speeds = {
        number: round(trained(context, optimizer, bf16, number, context.gpu, steps, **more)[1])
        for number in (1, members)
    }
    context.say(bare_images_per_second=speeds, optimizer=optimizer, bf16=bf16)
