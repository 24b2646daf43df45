"""The strikes of a hostile run: each does one kind of harm, and notes that it was really done."""

import time
from collections.abc import Callable

from tests.chaos.faults import Point
from tests.chaos.housekeeping_strikes import HOUSEKEEPING
from tests.chaos.machine_strikes import MACHINE, MACHINE_ON_POSTGRES, missing_tools
from tests.chaos.scene import ACCOUNT, AIM_SECONDS, KEY, Scene

Strike = Callable[[Scene], bool]
"""Does its harm, and tells whether it was really done."""


def half_body(scene: Scene) -> bool:
    """Killed while the body of a request is still coming in."""
    scene.victims.await_ready()
    with scene.shop.half_a_request():
        time.sleep(0.02)
        scene.slay()
    return True


def after_receipt(scene: Scene) -> bool:
    """Killed right after a receipt was read."""
    door = "api" if "api" in scene.victims.roles else "all"
    scene.shop.on_accepted = lambda: scene.victims.slay(door)
    scene.shop.open_until(scene.shop.posted + 600)
    try:
        scene.victims.await_death(30)
    except AssertionError:
        scene.shop.on_accepted = None
        scene.slay()
        return False
    return True


def any_moment(scene: Scene) -> bool:
    time.sleep(scene.chance.random() * 0.5)
    scene.slay()
    return True


def terminated(scene: Scene) -> bool:
    """SIGTERM in the middle of the work: ends with 0."""
    name = scene.any_name()
    scene.until(lambda: scene.victims.has_started(name), 30)
    code = scene.victims.end(name)
    if code:
        raise AssertionError(f"{name} ended with {code} after SIGTERM:\n{scene.victims.logs()[-3000:]}")
    scene.victims.start_all()
    return True


def denied(scene: Scene) -> bool:
    """The key is refused, then lacks its scope; somebody mends it and opens the lane."""
    done = True
    for status in (401, 403):
        before = scene.klaviyo.points[f"denied_{status}"]
        set_denied(scene, status)
        scene.shop.open_until(scene.shop.posted + 200)
        done &= scene.until(lambda s=status, b=before: scene.klaviyo.points[f"denied_{s}"] > b, 90)  # type: ignore[misc]
        time.sleep(0.5)
        set_denied(scene, None)
        scene.open_lanes()
    return done


def set_denied(scene: Scene, status: int | None) -> None:
    scene.klaviyo.forbidden = status == 403
    scene.klaviyo.keys = {} if status == 401 else {KEY: ACCOUNT}


def _aimed(point: Point) -> Strike:
    def strike(scene: Scene) -> bool:
        armed = scene.klaviyo.arm(point, scene.victims.kill_peer)
        scene.shop.open_until(scene.shop.posted + 300)
        if armed.fired.wait(AIM_SECONDS):
            scene.victims.await_death()
            return True
        scene.klaviyo.disarm()
        scene.slay()
        return False

    return strike


EVERYWHERE: dict[str, Strike] = {
    **{point.value: _aimed(point) for point in Point},
    "half_body": half_body, "after_receipt": after_receipt, "any_moment": any_moment, "terminated": terminated, "denied": denied,
    **MACHINE, **HOUSEKEEPING,
}  # fmt: skip
ON_POSTGRES: dict[str, Strike] = {**MACHINE_ON_POSTGRES}


def kinds_on(engine: str) -> tuple[list[str], dict[str, str]]:
    """The strikes that can be done on this engine and machine; and those that cannot, with the reason."""
    kinds = [*EVERYWHERE, *(ON_POSTGRES if engine == "postgresql" else ())]
    missing = missing_tools()
    return [kind for kind in kinds if kind not in missing], {kind: missing[kind] for kind in kinds if kind in missing}


def strike(scene: Scene, kind: str) -> bool:
    """Do it, and count it under its name, or as missed: what was waited for in vain is tried again, and judged in the end."""
    vain = scene.exercised["waited in vain"]
    done = (EVERYWHERE | ON_POSTGRES)[kind](scene)
    scene.exercised["waited in vain"] = vain
    scene.exercised[kind if done else f"{kind} missed"] += 1
    return done
