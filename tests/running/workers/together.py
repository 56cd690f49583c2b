"""An executor for tests: a worker of this very process, with as many places as CREW says, whose runs advance in turn.

Where its runs are recorded, they go in turns of a few steps, as they go on a GPU.
"""

import os

from harness import Executor, WorkerPool, hookimpl
from harness.running.workers import worker as workers
from harness.running.workers.crew import Crew
from harness.running.workers.messages import Ready


class Together:
    """The transport of workers that are no processes."""

    def __init__(self, opening):
        self._opening = opening
        self._said = []
        self._workers = {}

    def start(self, number):
        worker = workers.Worker(self._opening)
        crew = Crew(lambda given: worker.turns(given.job, given.state, given.solutions))
        self._workers[number] = worker, crew
        self._said.append((number, Ready()))

    def send(self, number, message):
        workers._take(message, *self._workers[number], lambda said: self._said.append((number, said)))

    def receive(self, timeout):
        for number, (_, crew) in self._workers.items():
            self._said += [(number, said) for said in crew.turn()]
        said, self._said = self._said, []
        return said

    def memory(self, number):
        return 0

    def kill(self, number):
        del self._workers[number]

    def close(self):
        self._workers.clear()


def build(workbench):
    return WorkerPool(Together(workbench.opening()), workbench, workers=1, places=int(os.environ["CREW"]))


@hookimpl
def harness_executors():
    return [Executor("together", build=build, threads=1)]
