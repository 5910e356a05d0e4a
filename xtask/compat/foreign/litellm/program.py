"""The assistants of LiteLLM, with its providers `openai` and `azure`."""

import litellm

from harness import ANSWER, API_KEY, AZURE_ENDPOINT, BASE_URL, check, run

OPENAI = {"custom_llm_provider": "openai", "api_key": API_KEY, "api_base": BASE_URL}
AZURE = {
    "custom_llm_provider": "azure",
    "api_key": API_KEY,
    "api_base": AZURE_ENDPOINT,
    "api_version": "2024-05-01-preview",
}


def answer_with(provider):
    assistant = litellm.create_assistants(model="gpt-4o", name="Tester", instructions="Be brief.", **provider)
    listed = litellm.get_assistants(**provider)
    assert assistant.id in [entry.id for entry in listed.data], listed
    thread = litellm.create_thread(messages=[{"role": "user", "content": "Hello"}], **provider)
    litellm.add_message(thread_id=thread.id, role="user", content="Hello again", **provider)
    run = litellm.run_thread(thread_id=thread.id, assistant_id=assistant.id, **provider)
    assert run.status == "completed", run
    return litellm.get_messages(thread_id=thread.id, **provider).data[0].content[0].text.value


@check
def run_completes():
    assert answer_with(OPENAI) == ANSWER


@check
def azure_run_completes():
    assert answer_with(AZURE) == ANSWER


@check
def run_is_streamed():
    assistant = litellm.create_assistants(model="gpt-4o", **OPENAI)
    thread = litellm.create_thread(messages=[{"role": "user", "content": "Hello"}], **OPENAI)
    with litellm.run_thread_stream(thread_id=thread.id, assistant_id=assistant.id, **OPENAI) as stream:
        assert "".join(stream.text_deltas) == ANSWER


@check
def files_are_uploaded():
    file = litellm.create_file(file=("data.csv", b"a,b"), purpose="assistants", **OPENAI)
    assert litellm.file_retrieve(file_id=file.id, **OPENAI).filename == "data.csv"
    assert litellm.file_delete(file_id=file.id, **OPENAI).deleted


run("litellm")
