"""Jobs over GraphQL."""

from uuid import uuid4

from http_server import Tenant


def test_jobs_are_listed_and_what_is_not_there_is_not_found(organization: Tenant) -> None:
    query = f'{{ jobs {{ jobId state }} job(jobId: "{uuid4()}") {{ jobId }} }}'
    assert organization.data(query) == {"jobs": [], "job": None}
    answer = organization.ask(f'mutation {{ cancelJob(jobId: "{uuid4()}") {{ job {{ state }} }} }}')
    assert answer.code == "NOT_FOUND"


def test_a_page_of_jobs_is_limited(organization: Tenant) -> None:
    answer = organization.ask("{ jobs(first: 1001) { jobId } }")
    assert answer.code == "BAD_USER_INPUT"
