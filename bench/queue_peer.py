"""A queue from PyPI in front of the official SDK: ``python -m bench.queue_peer KIND put RUN NUMBER`` and ``KIND work``.

As their documents show it: a task that sends one event with the SDK and is retried when that fails; a broker that needs nothing
to be installed. ``celery`` has Celery's own defaults, ``celery-late`` acknowledges after the work; both with one worker process.
``put`` prints how many it has put by in a second.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from klaviyo_api import KlaviyoAPI

from bench.official_sdk import event
from bench.orders import order

HOME, URL, KEY = Path(os.environ["QUEUE_HOME"]), os.environ["QUEUE_KLAVIYO"], os.environ["QUEUE_KEY"]
_api: list[KlaviyoAPI] = []


def send(given: dict[str, Any]) -> None:
    if not _api:
        _api.append(KlaviyoAPI(KEY, max_retries=3, test_host=URL))
    _api[0].Events.create_event(given)


def body(run: str, number: int) -> dict[str, Any]:
    data = event(number)
    data["attributes"]["unique_id"] = f"{run}-{number}"
    data["attributes"]["profile"] = {"data": {"type": "profile", "attributes": {"email": order(run, number)["email"]}}}
    return {"data": data}


def celery(*, late: bool) -> Any:
    from celery import Celery

    app = Celery("peer", broker=f"sqla+sqlite:///{HOME}/broker.db")
    app.conf.update(task_acks_late=late, worker_prefetch_multiplier=1 if late else 4, task_ignore_result=True)
    return app, app.task(name="send", autoretry_for=(Exception,), retry_backoff=True)(send)


def huey() -> Any:
    from huey import SqliteHuey

    app = SqliteHuey("peer", filename=str(HOME / "huey.db"), fsync=True)
    return app, app.task(retries=3, retry_delay=1, name="send")(send)


def put(kind: str, run: str, number: int) -> float:
    _, task = huey() if kind == "huey" else celery(late=kind == "celery-late")
    began = time.perf_counter()
    for index in range(number):
        given = body(run, index)
        _ = task(given) if kind == "huey" else task.delay(given)
    return number / (time.perf_counter() - began)


def work(kind: str) -> None:
    if kind == "huey":
        app, _ = huey()
        app.create_consumer(workers=1, periodic=False).run()
    else:
        app, _ = celery(late=kind == "celery-late")
        app.worker_main(["worker", "--concurrency", "1", "--pool", "prefork", "--loglevel", "ERROR", "--without-gossip"])


if __name__ == "__main__":
    if sys.argv[2] == "put":
        print(put(sys.argv[1], sys.argv[3], int(sys.argv[4])))
    else:
        work(sys.argv[1])
