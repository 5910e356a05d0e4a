"""Each operation, without convenience helpers, and pagination."""

import json

import openai

from harness import check, client, expect_error
from fixtures import WEATHER, message_text, assistant, outputs, runs, thread, waiting_run

assistants, threads = client.beta.assistants, client.beta.threads
messages, steps = threads.messages, runs.steps


@check
def objects_are_retrieved_as_created():
    created = assistants.create(
        model="offline", name="Baker", instructions="Bake.", tools=[WEATHER], metadata={"shelf": "2"}
    )
    assert assistants.retrieve(created.id) == created
    assert created.tools[0].function.name == "get_weather" and created.metadata == {"shelf": "2"}
    new_thread = threads.create(metadata={"user": "u1"})
    assert threads.retrieve(new_thread.id) == new_thread
    message = messages.create(new_thread.id, role="user", content="Good morning")
    assert messages.retrieve(message.id, thread_id=new_thread.id) == message
    assert message.content[0].text.value == "Good morning"


@check
def objects_are_updated_field_by_field():
    created = assistants.create(
        model="offline", name="Baker", instructions="Bake.", temperature=0.5, metadata={"shelf": "2"}
    )
    updated = assistants.update(created.id, name="Master baker", instructions=None, tools=[WEATHER])
    assert updated.name == "Master baker" and updated.instructions is None, updated
    assert updated.tools[0].function.name == "get_weather", updated
    assert updated.temperature == 0.5 and updated.metadata == {"shelf": "2"}, updated
    assert assistants.retrieve(created.id) == updated
    new_thread = thread()
    updated = threads.update(new_thread.id, metadata={"user": "u2"})
    assert updated.metadata == {"user": "u2"} and threads.retrieve(new_thread.id) == updated
    message = messages.list(new_thread.id).data[0]
    updated = messages.update(message.id, thread_id=new_thread.id, metadata={"read": "yes"})
    assert updated.metadata == {"read": "yes"} and updated.content == message.content, updated
    assert messages.retrieve(message.id, thread_id=new_thread.id) == updated


@check
def deleted_objects_are_not_found():
    def check_deletion(deletion, deleted, kind):
        assert (deletion.id, deletion.object, deletion.deleted) == (deleted.id, kind, True), deletion

    new_assistant, new_thread = assistant(), thread()
    message = messages.list(new_thread.id).data[0]
    deletion = messages.delete(message.id, thread_id=new_thread.id)
    check_deletion(deletion, message, "thread.message.deleted")
    check_deletion(threads.delete(new_thread.id), new_thread, "thread.deleted")
    expect_error(openai.NotFoundError, 404, "No thread found", lambda: messages.list(new_thread.id))
    check_deletion(assistants.delete(new_assistant.id), new_assistant, "assistant.deleted")
    assistant_id = new_assistant.id
    expect_error(openai.NotFoundError, 404, "No assistant found", lambda: assistants.retrieve(assistant_id))


@check
def a_run_is_created_retrieved_and_updated():
    new_thread = thread("Good morning")
    run = runs.create(thread_id=new_thread.id, assistant_id=assistant().id, metadata={"user": "u1"})
    assert run.status == "queued" and run.object == "thread.run" and run.usage is None, run
    updated = runs.update(run.id, thread_id=new_thread.id, metadata={"step": "7"})
    assert updated.id == run.id and updated.metadata == {"step": "7"}, updated
    run = runs.poll(run.id, thread_id=new_thread.id)
    assert run.status == "completed" and run.expires_at is None and run.usage.total_tokens > 0, run
    assert run.metadata == {"step": "7"} and runs.retrieve(run.id, thread_id=new_thread.id) == run
    assert "Good morning" in message_text(run), message_text(run)


@check
def a_thread_is_created_with_its_run():
    run = threads.create_and_run(
        assistant_id=assistant().id, thread={"messages": [{"role": "user", "content": "Good evening"}]}
    )
    assert run.status == "queued", run
    runs.poll(run.id, thread_id=run.thread_id)
    texts = [message.content[0].text.value for message in messages.list(run.thread_id, order="asc")]
    assert texts[0] == "Good evening" and len(texts) == 2, texts


@check
def run_parameters_override_the_assistant():
    run = runs.create_and_poll(
        thread_id=thread("Hello").id,
        assistant_id=assistant().id,
        model="other",
        instructions="Bake.",
        additional_instructions="Quickly.",
        additional_messages=[{"role": "user", "content": "What is the weather in Rome?"}],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        parallel_tool_calls=False,
        temperature=0.3,
        top_p=0.4,
        max_prompt_tokens=1000,
        max_completion_tokens=2000,
        truncation_strategy={"type": "last_messages", "last_messages": 3},
        metadata={"user": "u1"},
    )
    assert run.status == "requires_action", run
    call = run.required_action.submit_tool_outputs.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Rome"}, call
    assert (run.model, run.instructions) == ("other", "Bake.\nQuickly."), run
    assert (run.temperature, run.top_p, run.parallel_tool_calls) == (0.3, 0.4, False), run
    assert (run.max_prompt_tokens, run.max_completion_tokens) == (1000, 2000), run
    assert run.truncation_strategy.last_messages == 3 and run.metadata == {"user": "u1"}, run


@check
def tool_outputs_complete_a_run():
    run = waiting_run()
    call = run.required_action.submit_tool_outputs.tool_calls[0]
    assert call.type == "function" and json.loads(call.function.arguments) == {"city": "Paris"}, call
    resumed = runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs(run))
    assert resumed.status == "queued" and resumed.required_action is None, resumed
    run = runs.poll(run.id, thread_id=run.thread_id)
    assert run.status == "completed" and "18 degrees" in message_text(run), run


@check
def a_waiting_run_is_cancelled():
    run = waiting_run()
    assert runs.cancel(run.id, thread_id=run.thread_id).status == "cancelling"
    run = runs.poll(run.id, thread_id=run.thread_id)
    assert run.status == "cancelled" and run.cancelled_at is not None, run
    assert steps.list(run.id, thread_id=run.thread_id).data[0].status == "cancelled"


@check
def steps_record_tool_calls_and_messages():
    run = waiting_run()
    run = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run))
    created = list(steps.list(run.id, thread_id=run.thread_id, limit=1, order="asc"))
    assert [step.type for step in created] == ["tool_calls", "message_creation"], created
    assert all(step.status == "completed" and step.usage.total_tokens > 0 for step in created), created
    assert created[0].step_details.tool_calls[0].function.output == "18 degrees", created[0]
    assert sum(step.usage.total_tokens for step in created) == run.usage.total_tokens, (created, run)
    for step in created:
        assert steps.retrieve(step.id, thread_id=run.thread_id, run_id=run.id) == step


@check
def pages_are_fetched_during_iteration():
    created = [assistant().id for _ in range(5)]
    # Other checks created older assistants.
    page = assistants.list(limit=2)
    assert [item.id for item in page.data] == created[:2:-1] and page.has_next_page(), page
    assert [item.id for item in page.get_next_page().data] == created[2:0:-1]
    ids = [item.id for item in page]
    assert ids[:5] == created[::-1] and len(set(ids)) == len(ids), ids
    assert [item.id for item in assistants.list(limit=2, order="asc")] == ids[::-1]
    between = assistants.list(limit=2, after=created[4], before=created[0]).data
    assert [item.id for item in between] == [created[3], created[2]], between
    new_thread = threads.create(messages=[{"role": "user", "content": str(n)} for n in range(5)])
    texts = [message.content[0].text.value for message in messages.list(new_thread.id, limit=2, order="asc")]
    assert texts == ["0", "1", "2", "3", "4"], texts
    new_thread = thread("Hello")
    created = [runs.create_and_poll(thread_id=new_thread.id, assistant_id=created[0]).id for _ in range(5)]
    sizes = [len(page.data) for page in runs.list(new_thread.id, limit=2).iter_pages()]
    assert sizes == [2, 2, 1], sizes
    assert [run.id for run in runs.list(new_thread.id, limit=2)] == created[::-1]
    page = runs.list(new_thread.id, limit=2, order="asc", before=created[3])
    assert [run.id for run in page.data] == created[1:3]


@check
def listed_objects_can_be_deleted_during_iteration():
    created = {assistant().id for _ in range(5)}
    # Other assistants of the server stay.
    for item in assistants.list(limit=2):
        if item.id in created:
            assistants.delete(item.id)
    assert not created & {item.id for item in assistants.list()}
    new_thread = threads.create(messages=[{"role": "user", "content": str(n)} for n in range(5)])
    for message in messages.list(new_thread.id, limit=2, order="asc"):
        messages.delete(message.id, thread_id=new_thread.id)
    assert messages.list(new_thread.id).data == []
