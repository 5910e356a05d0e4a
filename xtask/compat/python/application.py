"""An application with both built-in tools, whose server has a provider of files and vector stores."""

import os

from harness import check, connect
from fixtures import WEATHER

client = connect(base_url=os.environ["BUILT_IN_BASE_URL"], api_key=os.environ["BUILT_IN_API_KEY"])
assistants, threads = client.beta.assistants, client.beta.threads
runs = threads.runs
TOOLS = [WEATHER, {"type": "code_interpreter"}, {"type": "file_search"}]
MANUAL = b"The manual says that at most 10 requests a second are allowed."


def upload(name="manual.txt", content=MANUAL):
    return client.files.create(file=(name, content), purpose="assistants")


def assistant_with_store():
    """An assistant with all tools, whose vector store has a manual."""
    assistant = assistants.create(model="gpt-4o", instructions="Answer from the manuals.", tools=TOOLS)
    store = client.vector_stores.create(name="Manuals")
    file = client.vector_stores.files.create_and_poll(upload().id, vector_store_id=store.id)
    assert file.status == "completed", file
    resources = {"file_search": {"vector_store_ids": [store.id]}}
    return assistants.update(assistant.id, tool_resources=resources), store, file


def ask(assistant, text, **message):
    thread = threads.create(messages=[{"role": "user", "content": text, **message}])
    return runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)


def answer(run):
    return threads.messages.list(run.thread_id, run_id=run.id).data[0].content[0].text


@check
def files_are_uploaded_listed_read_and_deleted():
    file = upload("usage.csv", b"day,requests")
    assert (file.filename, file.bytes, file.purpose) == ("usage.csv", 12, "assistants"), file
    assert client.files.retrieve(file.id) == file
    assert file.id in [entry.id for entry in client.files.list(purpose="assistants")]
    assert client.files.content(file.id).read() == b"day,requests"
    assert client.files.delete(file.id).deleted


@check
def uploads_in_parts_become_a_file():
    upload = client.uploads.create(bytes=6, filename="data.bin", mime_type="text/plain", purpose="assistants")
    parts = [client.uploads.parts.create(upload.id, data=data).id for data in (b"abc", b"def")]
    file = client.uploads.complete(upload.id, part_ids=parts).file
    assert client.files.content(file.id).read() == b"abcdef"


@check
def a_vector_store_is_attached_by_an_update():
    assistant, store, file = assistant_with_store()
    assert assistant.tool_resources.file_search.vector_store_ids == [store.id], assistant
    listed = client.vector_stores.files.list(store.id).data
    assert [entry.id for entry in listed] == [file.id], listed
    assert client.vector_stores.retrieve(store.id).file_counts.completed == 1
    [found] = client.vector_stores.search(store.id, query="manual").data
    assert found.file_id == file.id, found


@check
def a_run_with_both_tools_is_streamed_with_citations_and_an_image():
    assistant, _, file = assistant_with_store()
    thread = threads.create(messages=[{"role": "user", "content": "Compute what the manual says."}])
    with runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        deltas = "".join(stream.text_deltas)
        run, steps = stream.get_final_run(), stream.get_final_run_steps()
    assert run.status == "completed", run
    calls = [call for step in steps if step.type == "tool_calls" for call in step.step_details.tool_calls]
    assert [call.type for call in calls] == ["file_search", "code_interpreter"], calls
    assert calls[1].code_interpreter.input == "print(6 * 7)", calls
    logs, image = calls[1].code_interpreter.outputs
    assert logs.logs == "42\n", logs
    assert client.files.content(image.image.file_id).read().startswith(b"\x89PNG")
    text = answer(run)
    assert text.value == deltas, (text.value, deltas)
    citation, path = text.annotations
    assert citation.file_citation.file_id == file.id, citation
    assert text.value[citation.start_index : citation.end_index] == citation.text, citation
    assert client.files.content(path.file_path.file_id).read().startswith(b"\x89PNG")


@check
def passages_are_included_on_demand():
    assistant, _, _ = assistant_with_store()
    run = ask(assistant, "What does the manual say?")
    include = ["step_details.tool_calls[*].file_search.results[*].content"]
    for included in ([], include):
        step = runs.steps.list(run.id, thread_id=run.thread_id, order="asc", include=included).data[0]
        [result] = step.step_details.tool_calls[0].file_search.results
        texts = [part.text for part in result.content or []]
        assert texts == ([MANUAL.decode()] if included else []), step


@check
def attachments_reach_both_tools():
    assistant = assistants.create(model="gpt-4o", tools=TOOLS)
    file = upload()
    tools = [{"type": "file_search"}, {"type": "code_interpreter"}]
    run = ask(assistant, "Compute what the manual says.", attachments=[{"file_id": file.id, "tools": tools}])
    assert [annotation.type for annotation in answer(run).annotations] == ["file_citation", "file_path"]
    resources = threads.retrieve(run.thread_id).tool_resources
    assert resources.code_interpreter.file_ids == [file.id], resources
    assert len(resources.file_search.vector_store_ids) == 1, resources


@check
def a_function_is_called_beside_the_tools():
    assistant, _, _ = assistant_with_store()
    run = ask(assistant, "What is the weather?")
    [call] = run.required_action.submit_tool_outputs.tool_calls
    output = {"tool_call_id": call.id, "output": "18 degrees"}
    run = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=[output])
    assert "18 degrees" in answer(run).value, answer(run)
