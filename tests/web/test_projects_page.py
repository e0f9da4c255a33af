"""Projects are made, changed, removed and brought back by forms alone."""

from tests.web.visitor import HOSTILE, Visitor, form_to


def test_a_project_leads_on_to_its_first_application(visitor: Visitor) -> None:
    assert "There are no projects yet" in visitor.see("/project").text
    form = form_to(visitor.see("/project"), "/project")
    form["name"], form["directory"] = "heat", r"Z:\heat"
    page = form.submit().follow()
    assert "New application of heat" in page.text and "lab:heat" in page.text
    visitor.api.application()
    row = visitor.see("/project").html.find("tbody").find("tr")
    assert [cell.text for cell in row.find_all("td")][:3] == ["heat", "", "1"]


def test_a_share_can_be_chosen_where_there_are_several(visitor: Visitor) -> None:
    form = form_to(visitor.see("/project"), "/project")
    form["name"], form["directory"], form["share"] = "flow", "flow", "store"
    form.submit()
    assert visitor.api.get("/api/project/1").json["share"] == "store"


def test_what_is_typed_wrong_is_kept_and_said_in_words(visitor: Visitor) -> None:
    form = form_to(visitor.see("/project"), "/project")
    form["name"], form["directory"] = "x", r"\\other\lab"
    answer = form.submit(status=400)
    assert "on none of the shares here" in answer.html.find(id="directory-says").text
    assert form_to(answer, "/project")["directory"].value == r"\\other\lab"


def test_a_name_that_is_taken_is_said_in_words(visitor: Visitor) -> None:
    visitor.api.application()
    form = form_to(visitor.see("/project"), "/project")
    form["name"], form["title"] = "heat", "Heat"
    answer = form.submit(status=409)
    assert "there is a project heat already" in answer.text
    assert form_to(answer, "/project")["title"].value == "Heat"


def test_a_project_is_changed(visitor: Visitor) -> None:
    visitor.api.application()
    form = form_to(visitor.see("/project/1"), "/project/1")
    form["title"] = "Heat flow"
    assert "Heat flow" in form.submit().follow().text


def test_a_project_without_runs_is_deleted_with_its_applications_named_before(visitor: Visitor) -> None:
    visitor.api.application()
    visitor.api.application(name="implicit")
    page = visitor.see("/project/1").click("Remove it")
    text = page.html.find("main").text
    assert "deleted for good" in text and "its 2 applications" in text
    assert [each.text for each in page.html.find("main").find_all("li")] == ["heat/explicit", "heat/implicit"]
    form_to(page, "/project/1/remove").submit().follow()
    visitor.see("/project/1", 404)


def test_a_project_with_runs_is_archived_and_brought_back(visitor: Visitor) -> None:
    visitor.api.application()
    run = visitor.api.post("/api/run", {"application": 1}).json
    assert "queued or running" in visitor.see("/project/1/remove").text
    visitor.api.report("stop", run, exit=0)
    page = visitor.see("/project/1/remove")
    assert "1 run" in page.text and "is kept" in page.text
    archived = form_to(page, "/project/1/remove").submit().follow()
    assert "/application/1/run" not in visitor.see("/application/1").text
    assert "Archived: 1" in visitor.see("/project").text
    form_to(archived, "/project/1/restore").submit().follow()
    assert "Archived" not in visitor.see("/project").text
    assert "/application/1/run" in visitor.see("/application/1").text


def test_nothing_hostile_becomes_part_of_the_pages(visitor: Visitor) -> None:
    name = HOSTILE.replace("/", "|")
    made = {"name": name, "title": HOSTILE, "description": HOSTILE}
    visitor.api.post("/api/project", made)
    visitor.api.post("/api/application", {"project": 1, "name": name, "command": HOSTILE, "description": HOSTILE})
    for path in ("/project", "/project/1", "/project/1/remove", "/project/1/application"):
        page = visitor.see(path)
        assert "<script>alert" not in page.text and "<img src=x" not in page.text, path
