"""An agency of Agency Swarm, with a tool and a file."""

import os
import tempfile

from agency_swarm import Agency, Agent, BaseTool
from pydantic import Field

import harness
from harness import ANSWER, assert_weather, check, manual, run

# It keeps the ids of its assistants in a file of the current folder.
os.chdir(tempfile.mkdtemp())


class GetWeather(BaseTool):
    """Returns the weather of a city."""

    city: str = Field(..., description="The city")

    def run(self):
        return harness.get_weather(self.city)


def agency(name, **fields):
    agent = Agent(name=name, description="Tests", instructions="Be brief.", model="gpt-4o", **fields)
    return Agency([agent], temperature=0.5, max_prompt_tokens=25000)


@check
def run_completes():
    assert agency("Greeter").get_completion("Hello") == ANSWER


@check
def function_is_called():
    assert_weather(agency("Forecaster", tools=[GetWeather]).get_completion("The weather in Paris?"))


@check
def folder_of_files_is_searched():
    folder = tempfile.mkdtemp()
    manual(folder)
    answer = agency("Reader", files_folder=folder).get_completion("What does the manual say?")
    assert answer.startswith("Hello"), answer


run("agency-swarm")
