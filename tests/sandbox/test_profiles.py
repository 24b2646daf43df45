"""Writing profiles over HTTP: which profile a document means, and what it does to it."""

import pytest

from .documents import profile
from .judged import JudgedCaller

ANNA = {"email": "Anna@shop.test", "phone_number": "+12345678901", "external_id": "c-1"}


def attributes_of(klaviyo: JudgedCaller, id_: str) -> dict:
    return klaviyo.get(f"/api/profiles/{id_}").data["attributes"]


class TestCreatingAProfile:
    def test_answers_201_with_the_whole_profile(self, klaviyo: JudgedCaller) -> None:
        reply = klaviyo.post("/api/profiles", profile(**ANNA, first_name="Anna", properties={"plan": "pro"}))
        assert reply.status == 201
        shown = reply.data["attributes"]
        assert {name: shown[name] for name in ANNA} == ANNA
        assert shown["first_name"] == "Anna"
        assert shown["last_name"] is None
        assert shown["properties"] == {"plan": "pro"}
        assert set(shown["location"].values()) == {None}
        assert shown["created"] == "2026-09-21T14:13:20.250000+00:00"
        assert reply.data["links"]["self"] == f"{klaviyo.url}/api/profiles/{reply.data['id']}/"
        assert reply.body["links"] == {"self": f"{klaviyo.url}/api/profiles"}

    @pytest.mark.parametrize("name", ANNA)
    def test_answers_409_when_an_identifier_is_taken(self, klaviyo: JudgedCaller, name: str) -> None:
        id_ = klaviyo.post("/api/profiles", profile(**ANNA)).data["id"]
        reply = klaviyo.post("/api/profiles", profile(**{name: ANNA[name], "first_name": "Other"}))
        assert reply.error.pop("id")
        assert {**reply.error, "id": None} == {
            "id": None,
            "status": 409,
            "code": "duplicate_profile",
            "title": "Conflict.",
            "detail": "A profile already exists with one of these identifiers.",
            "source": {"pointer": "/data/attributes"},
            "links": {},
            "meta": {"duplicate_profile_id": id_},
        }
        assert attributes_of(klaviyo, id_)["first_name"] is None

    def test_compares_addresses_without_case_and_spaces(self, klaviyo: JudgedCaller) -> None:
        klaviyo.post("/api/profiles", profile(email="anna@shop.test"))
        assert klaviyo.post("/api/profiles", profile(email=" ANNA@Shop.Test ")).status == 409

    @pytest.mark.parametrize(
        ("attributes", "pointer", "detail"),
        [
            ({"email": "no"}, "email", "Invalid email address"),
            ({"email": "a@b"}, "email", "Invalid email address"),
            ({"email": "a b@shop.test"}, "email", "Invalid email address"),
            ({"email": "a@shop.t"}, "email", "Invalid email address"),
            ({"email": ".a@shop.test"}, "email", "Invalid email address"),
            ({"email": "a@shop.test\n"}, None, None),
            ({"email": 5}, "email", "'email' must be a string."),
            *[
                (
                    {"phone_number": phone},
                    "phone_number",
                    "Invalid phone number format (Example of a valid format: +12345678901)",
                )
                for phone in ("12345678901", "+1 234 567 8901", "+15555555555", "+999123456789", "+1", "+", "++12345678901")
            ],
            ({"phone_number": "+447911123456"}, None, None),
            ({"external_id": "x", "_kx": "y"}, "_kx", "'_kx' is not a valid field for the resource 'profile'."),
            ({"external_id": "x", "name": "y"}, "name", "'name' is not a valid field for the resource 'profile'."),
            ({"external_id": "x", "a/b": 1}, "a~1b", "'a/b' is not a valid field for the resource 'profile'."),
            ({"external_id": "x", "properties": []}, "properties", "'properties' must be an object."),
            ({"external_id": "x", "location": "Bonn"}, "location", "'location' must be an object."),
            (
                {"external_id": "x", "location": {"latitude": True}},
                "location/latitude",
                "'latitude' must be a string or a number.",
            ),
            ({"external_id": "x", "location": {"latitude": 5.5, "longitude": "7"}}, None, None),
        ],
    )
    def test_checks_what_it_is_given(
        self, klaviyo: JudgedCaller, attributes: dict, pointer: str | None, detail: str | None
    ) -> None:
        reply = klaviyo.post("/api/profiles", profile(**attributes))
        if pointer is None:
            assert reply.status == 201
        else:
            assert reply.refusal == (400, f"/data/attributes/{pointer}", detail)

    def test_tells_all_problems_at_once(self, klaviyo: JudgedCaller) -> None:
        reply = klaviyo.post("/api/profiles", profile(email="no", phone_number="no", nickname="x"))
        assert {error["source"]["pointer"].rpartition("/")[2] for error in reply.errors} == {
            "email",
            "phone_number",
            "nickname",
        }

    @pytest.mark.parametrize("attributes", [{}, {"first_name": "Anna"}, {"email": None}, {"email": ""}])
    def test_needs_an_identifier(self, klaviyo: JudgedCaller, attributes: dict) -> None:
        assert klaviyo.post("/api/profiles", profile(**attributes)).status == 400

    def test_refuses_more_than_100_kb(self, klaviyo: JudgedCaller) -> None:
        fits = profile(external_id="x", properties={"note": "n" * 99_000})
        assert klaviyo.post("/api/profiles", fits).status == 201
        big = profile(external_id="y", properties={"note": "n" * 100_000})
        assert klaviyo.post("/api/profiles", big).status == 400

    @pytest.mark.parametrize(
        "body", [[], 5, "x", None, {}, {"data": None}, {"data": []}, {"data": {}}, {"data": {"type": "profile"}}]
    )
    def test_refuses_other_documents(self, klaviyo: JudgedCaller, body: object) -> None:
        assert klaviyo.post("/api/profiles", body).status == 400


class TestImportingAProfile:
    @pytest.mark.parametrize("name", ANNA)
    def test_finds_it_by_any_identifier(self, klaviyo: JudgedCaller, name: str) -> None:
        id_ = klaviyo.post("/api/profile-import", profile(**ANNA)).data["id"]
        reply = klaviyo.post("/api/profile-import", profile(**{name: ANNA[name], "last_name": "Day"}))
        assert (reply.status, reply.data["id"]) == (200, id_)
        assert reply.data["attributes"]["last_name"] == "Day"
        assert reply.data["attributes"]["email"] == (ANNA["email"])

    def test_creates_it_with_201(self, klaviyo: JudgedCaller) -> None:
        assert klaviyo.post("/api/profile-import", profile(**ANNA)).status == 201

    def test_adds_an_unknown_identifier_to_a_known_profile(self, klaviyo: JudgedCaller) -> None:
        id_ = klaviyo.post("/api/profile-import", profile(email="a@shop.test")).data["id"]
        klaviyo.post("/api/profile-import", profile(email="a@shop.test", external_id="c-9"))
        assert klaviyo.post("/api/profile-import", profile(external_id="c-9")).data["id"] == id_

    def test_conflicts_when_identifiers_belong_to_two_profiles(self, klaviyo: JudgedCaller) -> None:
        one = klaviyo.post("/api/profile-import", profile(email="one@shop.test")).data["id"]
        two = klaviyo.post("/api/profile-import", profile(external_id="two")).data["id"]
        reply = klaviyo.post("/api/profile-import", profile(email="one@shop.test", external_id="two", title="x"))
        assert (reply.status, reply.error["meta"]) == (409, {"duplicate_profile_id": two})
        assert attributes_of(klaviyo, one)["title"] is None

    def test_lets_the_id_come_before_identifiers(self, klaviyo: JudgedCaller) -> None:
        one = klaviyo.post("/api/profile-import", profile(email="one@shop.test")).data["id"]
        reply = klaviyo.post("/api/profile-import", profile(one, email="new@shop.test"))
        assert (reply.status, reply.data["id"]) == (200, one)
        assert klaviyo.post("/api/profiles", profile(email="one@shop.test")).status == 201

    def test_answers_404_for_an_unknown_id(self, klaviyo: JudgedCaller) -> None:
        reply = klaviyo.post("/api/profile-import", profile("01NOPE", email="one@shop.test"))
        assert reply.refusal == (404, "/data/", "A profile with id 01NOPE does not exist.")

    def test_overwrites_what_is_sent_clears_null_and_keeps_the_rest(self, klaviyo: JudgedCaller) -> None:
        first = profile(
            **ANNA,
            first_name="Anna",
            last_name="Day",
            location={"city": "Bonn", "zip": "1"},
            properties={"plan": "free", "age": 7},
        )
        id_ = klaviyo.post("/api/profile-import", first).data["id"]
        second = profile(
            email=ANNA["email"],
            phone_number=None,
            first_name="Ann",
            last_name=None,
            location={"zip": None, "country": "DE"},
            properties={"plan": "pro", "seen": None},
        )
        klaviyo.post("/api/profile-import", second)
        shown = attributes_of(klaviyo, id_)
        assert (shown["first_name"], shown["last_name"], shown["external_id"]) == ("Ann", None, "c-1")
        assert shown["phone_number"] is None
        assert klaviyo.post("/api/profiles", profile(phone_number=ANNA["phone_number"])).status == 201
        assert (shown["location"]["city"], shown["location"]["zip"], shown["location"]["country"]) == ("Bonn", None, "DE")
        assert shown["properties"] == {"plan": "pro", "age": 7, "seen": None}

    def test_clears_all_properties_with_null(self, klaviyo: JudgedCaller) -> None:
        klaviyo.post("/api/profile-import", profile(external_id="x", properties={"a": 1}))
        reply = klaviyo.post("/api/profile-import", profile(external_id="x", properties=None))
        assert reply.data["attributes"]["properties"] == {}

    @pytest.mark.parametrize(
        ("patch", "properties"),
        [
            ({"append": {"tags": "z"}}, {"tags": ["z", "x", "y"], "plan": "pro"}),
            ({"append": {"tags": ["x", "z"]}}, {"tags": ["z", "x", "y"], "plan": "pro"}),
            ({"append": {"new": 1}}, {"tags": ["x", "y"], "plan": "pro", "new": [1]}),
            ({"append": {"plan": "free"}}, {"tags": ["x", "y"], "plan": ["free", "pro"]}),
            ({"unappend": {"tags": "x"}}, {"tags": ["y"], "plan": "pro"}),
            ({"unappend": {"tags": ["x", "y", "q"], "absent": 1}}, {"tags": [], "plan": "pro"}),
            ({"unset": "plan"}, {"tags": ["x", "y"]}),
            ({"unset": ["plan", "tags", "absent"]}, {}),
            ({"append": None, "unappend": None, "unset": None}, {"tags": ["x", "y"], "plan": "pro"}),
        ],
    )
    def test_patches_single_properties(self, klaviyo: JudgedCaller, patch: dict, properties: dict) -> None:
        first = klaviyo.post("/api/profile-import", profile(external_id="x", properties={"tags": ["x", "y"], "plan": "pro"}))
        meta = {"patch_properties": patch}
        reply = klaviyo.patch(f"/api/profiles/{first.data['id']}", profile(first.data["id"], meta))
        assert (reply.status, reply.data["attributes"]["properties"]) == (200, properties)

    def test_keeps_further_addresses(self, klaviyo: JudgedCaller) -> None:
        id_ = klaviyo.post("/api/profile-import", profile(email="a@shop.test")).data["id"]
        other = klaviyo.post("/api/profile-import", profile(email="other@shop.test")).data["id"]
        add = {"patch_identifiers": {"append": {"email": ["b@shop.test"]}}}
        assert klaviyo.post("/api/profile-import", profile(id_, add)).status == 200
        assert klaviyo.post("/api/profile-import", profile(email="B@shop.test")).data["id"] == id_
        assert attributes_of(klaviyo, id_)["email"] == "B@shop.test"
        steal = {"patch_identifiers": {"append": {"email": "other@shop.test"}}}
        assert klaviyo.post("/api/profile-import", profile(id_, steal)).error["meta"] == {"duplicate_profile_id": other}
        remove = {"patch_identifiers": {"unappend": {"email": ["a@shop.test"]}}}
        assert klaviyo.post("/api/profile-import", profile(id_, remove)).status == 200
        assert klaviyo.post("/api/profiles", profile(email="a@shop.test")).status == 201


class TestUpdatingAProfile:
    def test_answers_409_for_the_identifier_of_another(self, klaviyo: JudgedCaller) -> None:
        one = klaviyo.post("/api/profiles", profile(email="one@shop.test")).data["id"]
        two = klaviyo.post("/api/profiles", profile(email="two@shop.test")).data["id"]
        reply = klaviyo.patch(f"/api/profiles/{one}", profile(one, email="TWO@shop.test"))
        assert (reply.status, reply.error["meta"]) == (409, {"duplicate_profile_id": two})

    def test_needs_the_id_in_the_body_as_well(self, klaviyo: JudgedCaller) -> None:
        one = klaviyo.post("/api/profiles", profile(email="one@shop.test")).data["id"]
        assert klaviyo.patch(f"/api/profiles/{one}", profile(title="x")).status == 400
        assert klaviyo.patch(f"/api/profiles/{one}", profile("01OTHER", title="x")).refusal[:2] == (400, "/data/id")

    def test_answers_404_for_an_unknown_profile(self, klaviyo: JudgedCaller) -> None:
        reply = klaviyo.patch("/api/profiles/NOPE01", profile("NOPE01"))
        assert reply.refusal == (404, "/data/", "A profile with id NOPE01 does not exist.")
