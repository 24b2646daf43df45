"""Events as they are read: pages, filters, relations."""

import pytest

from klaviyo_sandbox.server import Running

from .driving import Caller, bulk, event, group, pointers, single


class TestReading:
    @pytest.fixture
    def filled(self, caller: Caller) -> Caller:
        events = [event(f"u{n}", time=f"2026-11-20T07:{n // 10:02}:00Z") for n in range(95)]
        assert caller.post("/api/event-bulk-create-jobs", bulk(group(1, *events))).status_code == 202
        return caller

    @pytest.mark.parametrize("sort", ["datetime", "-datetime", "timestamp", "-timestamp"])
    def test_cursors_lead_through_everything_once_and_back(self, filled: Caller, sort: str) -> None:
        seen: list[str] = []
        pages: list[list[str]] = []
        url = f"/api/events?sort={sort}&page[size]=10&fields[event]=event_properties"
        while url:
            document = filled.get(url).json()
            pages.append([e["attributes"]["event_properties"]["$event_id"] for e in document["data"]])
            seen += pages[-1]
            last, url = document, document["links"]["next"]
        ordered = [f"u{n}" for n in range(95)]
        assert seen == (ordered if not sort.startswith("-") else ordered[::-1])
        assert [len(page) for page in pages] == [10] * 9 + [5]
        back = filled.get(last["links"]["prev"]).json()
        assert [e["attributes"]["event_properties"]["$event_id"] for e in back["data"]] == pages[-2]
        assert pages[0] == seen[:10]

    def test_events_that_come_while_paging_do_not_shift_pages(self, filled: Caller) -> None:
        first = filled.get("/api/events?page[size]=50").json()
        filled.post("/api/events", single("newest", time="2026-11-20T11:00:00Z"))
        second = filled.get(first["links"]["next"]).json()
        ids = [entry["id"] for entry in first["data"] + second["data"]]
        assert len(ids) == len(set(ids)) == 95
        assert second["links"]["next"] is None

    def test_links_are_full_and_keep_the_parameters(self, filled: Caller, served: Running) -> None:
        path = "/api/events/?page[size]=7&filter=has(metric)&sort=-datetime"
        links = filled.get(path).json()["links"]
        assert links["self"] == f"{served.url}/api/events?page%5Bsize%5D=7&filter=has%28metric%29&sort=-datetime"
        assert links["prev"] is None
        assert links["next"].startswith(links["self"] + "&page%5Bcursor%5D=")

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("page[size]=0", "page[size]"),
            ("page[size]=1001", "page[size]"),
            ("page[size]=ten", "page[size]"),
            ("page[cursor]=nonsense!", "page[cursor]"),
            ("page[cursor]=eyJhIjoxfQ", "page[cursor]"),
            ("sort=value", "sort"),
            ("include=profiless", "include"),
            ("filter=equals(colour,'red')", "filter"),
            ("filter=greater-than(metric_id,'x')", "filter"),
        ],
    )
    def test_bad_parameters_are_named(self, caller: Caller, query: str, parameter: str) -> None:
        answer = caller.get(f"/api/events?{query}")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["source"] == {"parameter": parameter}

    def test_filters_narrow(self, filled: Caller) -> None:
        filled.post("/api/events", single("other", number=2, metric="Viewed Product", time="2026-11-20T08:00:00Z"))
        (found,) = filled.get("/api/events?filter=greater-than(datetime,2026-11-20T07:59:00Z)").json()["data"]
        metric_id = found["relationships"]["metric"]["data"]["id"]
        profile_id = found["relationships"]["profile"]["data"]["id"]
        for text in (f"equals(metric_id,'{metric_id}')", f'equals(profile_id,"{profile_id}"),has(profile)'):
            assert [e["id"] for e in filled.get("/api/events", params={"filter": text}).json()["data"]] == [found["id"]]

    def test_one_event_and_its_relations(self, filled: Caller) -> None:
        listed = filled.get("/api/events?page[size]=1").json()["data"][0]
        path = f"/api/events/{listed['id']}"
        assert filled.get(path).json()["data"] == listed
        assert listed["links"]["self"].endswith(f"{path}/")
        metric = filled.get(f"{path}/metric").json()["data"]
        assert filled.get(f"{path}/relationships/metric").json()["data"] == {"type": "metric", "id": metric["id"]}
        person = filled.get(f"{path}/profile").json()["data"]
        assert filled.get(f"{path}/relationships/profile").json()["data"] == {"type": "profile", "id": person["id"]}
        included = filled.get(f"{path}?include=attributions,profile").json()
        assert [entry["id"] for entry in included["included"]] == [person["id"]]
        assert set(included["data"]["relationships"]) == {"profile", "metric"}
        asked = filled.get(f"{path}/profile?additional-fields[profile]=subscriptions").json()["data"]
        assert asked["attributes"]["subscriptions"]["email"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"

    def test_a_malformed_id_is_400_and_an_unknown_one_404(self, caller: Caller) -> None:
        malformed, unknown = caller.get("/api/events/NOPE01"), caller.get("/api/events/7qWkC6JPz7g")
        assert malformed.json()["errors"][0]["detail"] == "Invalid Event ID: 'NOPE01'"
        assert (malformed.status_code, pointers(malformed)) == (400, {"/data/id"})
        assert unknown.status_code == 404

    def test_merged_profiles_bring_their_events(self, caller: Caller) -> None:
        caller.post("/api/events", single("a", number=1))
        caller.post("/api/events", single("b", number=2))
        ids = {p["attributes"]["email"]: p["id"] for p in caller.get("/api/profiles").json()["data"]}
        source = {"profiles": {"data": [{"type": "profile", "id": ids["person2@shop.test"]}]}}
        body = {"data": {"type": "profile-merge", "id": ids["person1@shop.test"], "relationships": source}}
        assert caller.post("/api/profile-merge", body).status_code == 202
        events = caller.get("/api/events").json()["data"]
        assert {e["relationships"]["profile"]["data"]["id"] for e in events} == {ids["person1@shop.test"]}
        assert len(events) == 2
