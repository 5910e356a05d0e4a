"""The assistant agent of AG2 (AutoGen)."""

from autogen import UserProxyAgent
from autogen.agentchat.contrib.gpt_assistant_agent import GPTAssistantAgent

from harness import ANSWER, API_KEY, BASE_URL, assert_weather, check, get_weather, run

CONFIG = {
    "config_list": [{"model": "gpt-4o", "api_key": API_KEY, "base_url": BASE_URL}],
    "check_every_ms": 50,
}
FUNCTION = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Returns the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(text, name, **assistant):
    agent = GPTAssistantAgent(name=name, instructions="Be brief.", llm_config=CONFIG, assistant_config=assistant)
    agent.register_function(function_map={"get_weather": get_weather})
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    result = user.initiate_chat(agent, message=text, max_turns=1)
    return result.chat_history[-1]["content"]


@check
def run_completes():
    assert ANSWER in ask("Hello", "greeter")


@check
def function_is_called():
    assert_weather(ask("The weather in Paris?", "weather", tools=[FUNCTION]))


@check
def code_interpreter_runs():
    assert "Hello" in ask("Compute.", "computer", tools=[{"type": "code_interpreter"}])


run("ag2")
