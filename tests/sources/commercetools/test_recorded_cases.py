"""The recorded cases of the official plugin: what commercetools sent must come to the same, or differ on purpose."""

import pytest

from ferrata.sources.commercetools.errors import QueryRefused, Unavailable
from ferrata.sources.contract import Mapped
from tests.sources.commercetools import effects
from tests.sources.commercetools.cases import Case, all_cases
from tests.sources.commercetools.driving import history, mapped
from tests.sources.commercetools.intended import INTENDED

CASES = [case for case in all_cases() if case.message or case.backfill]
FAULTS = {"inventory-updated-ct-400": QueryRefused, "product-published-ct-500": Unavailable}
pytestmark = pytest.mark.skipif(not CASES, reason="the recorded cases are not at hand (FERRATA_CASES)")


async def _made_of(case: Case) -> list[Mapped]:
    if case.backfill:
        return await history(case.project(), case.settings(), case.backfill, case.ids)
    assert case.message is not None
    return [await mapped(case.project(), case.settings(), case.message)]


class TestARecordedCase:
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    async def test_comes_to_what_the_plugin_asked_of_klaviyo(self, case: Case) -> None:
        if fault := FAULTS.get(case.name):
            with pytest.raises(fault):
                await _made_of(case)
            return
        made = await _made_of(case)
        found = effects.differences(effects.of_requests(case.writes), effects.of_mapped(made))
        unexplained = {
            path: pair for path, pair in found.items() if not any(each.explains(case.name, path, *pair) for each in INTENDED)
        }
        assert unexplained == {}


class TestTheTableOfIntendedDifferences:
    async def test_holds_none_that_no_case_shows(self) -> None:
        shown: set[str] = set()
        for case in CASES:
            if case.name in FAULTS:
                continue
            found = effects.differences(effects.of_requests(case.writes), effects.of_mapped(await _made_of(case)))
            shown |= {each.name for each in INTENDED for path, pair in found.items() if each.explains(case.name, path, *pair)}
        assert shown == {each.name for each in INTENDED}
