"""The assistant agent of LlamaIndex."""

import tempfile

from llama_index.agent.openai import OpenAIAssistantAgent
from llama_index.core.tools import FunctionTool

from harness import ANSWER, assert_weather, check, get_weather, manual, run

SETTINGS = {"name": "Tester", "instructions": "Be brief.", "model": "gpt-4o", "run_retrieve_sleep_time": 0.05}


@check
def run_completes():
    agent = OpenAIAssistantAgent.from_new(**SETTINGS)
    assert str(agent.chat("Hello")) == ANSWER


@check
def function_is_called():
    agent = OpenAIAssistantAgent.from_new(tools=[FunctionTool.from_defaults(fn=get_weather)], **SETTINGS)
    assert_weather(str(agent.chat("The weather in Paris?")))


@check
def attached_files_are_uploaded():
    with tempfile.TemporaryDirectory() as folder:
        agent = OpenAIAssistantAgent.from_new(
            openai_tools=[{"type": "code_interpreter"}], files=[manual(folder)], **SETTINGS
        )
        assert agent.files_dict, agent.files_dict
        assert ANSWER.split(",")[0] in str(agent.chat("Compute."))


run("llama-index-agent-openai")
