"""Each of the operations, as it is called without a helper, and pages."""

import json

import openai

from gate import check, client, refused
from given import WEATHER, answer, assistant, outputs, runs, thread, waiting_run

assistants, threads = client.beta.assistants, client.beta.threads
messages, steps = threads.messages, runs.steps


@check
def companions_come_back_as_they_were_made():
    made = assistants.create(
        model="offline", name="Baker", instructions="Bake.", tools=[WEATHER], metadata={"shelf": "2"}
    )
    assert assistants.retrieve(made.id) == made
    assert made.tools[0].function.name == "get_weather" and made.metadata == {"shelf": "2"}
    place = threads.create(metadata={"user": "u1"})
    assert threads.retrieve(place.id) == place
    message = messages.create(place.id, role="user", content="Good morning")
    assert messages.retrieve(message.id, thread_id=place.id) == message
    assert message.content[0].text.value == "Good morning"


@check
def companions_are_changed_field_by_field():
    made = assistants.create(
        model="offline", name="Baker", instructions="Bake.", temperature=0.5, metadata={"shelf": "2"}
    )
    changed = assistants.update(made.id, name="Master baker", instructions=None, tools=[WEATHER])
    assert changed.name == "Master baker" and changed.instructions is None, changed
    assert changed.tools[0].function.name == "get_weather", changed
    assert changed.temperature == 0.5 and changed.metadata == {"shelf": "2"}, changed
    assert assistants.retrieve(made.id) == changed
    place = thread()
    changed = threads.update(place.id, metadata={"user": "u2"})
    assert changed.metadata == {"user": "u2"} and threads.retrieve(place.id) == changed
    message = messages.list(place.id).data[0]
    changed = messages.update(message.id, thread_id=place.id, metadata={"read": "yes"})
    assert changed.metadata == {"read": "yes"} and changed.content == message.content, changed
    assert messages.retrieve(message.id, thread_id=place.id) == changed


@check
def companions_are_gone_when_deleted():
    helper, place = assistant(), thread()
    message = messages.list(place.id).data[0]
    gone = messages.delete(message.id, thread_id=place.id)
    assert (gone.id, gone.object, gone.deleted) == (message.id, "thread.message.deleted", True), gone
    gone = threads.delete(place.id)
    assert (gone.id, gone.object, gone.deleted) == (place.id, "thread.deleted", True), gone
    refused(openai.NotFoundError, 404, "No thread found", lambda: messages.list(place.id))
    gone = assistants.delete(helper.id)
    assert (gone.id, gone.object, gone.deleted) == (helper.id, "assistant.deleted", True), gone
    refused(openai.NotFoundError, 404, "No assistant found", lambda: assistants.retrieve(helper.id))


@check
def a_run_is_created_retrieved_and_changed():
    place = thread("Good morning")
    run = runs.create(thread_id=place.id, assistant_id=assistant().id, metadata={"user": "u1"})
    assert run.status == "queued" and run.object == "thread.run" and run.usage is None, run
    changed = runs.update(run.id, thread_id=place.id, metadata={"step": "7"})
    assert changed.id == run.id and changed.metadata == {"step": "7"}, changed
    run = runs.poll(run.id, thread_id=place.id)
    assert run.status == "completed" and run.expires_at is None and run.usage.total_tokens > 0, run
    assert run.metadata == {"step": "7"} and runs.retrieve(run.id, thread_id=place.id) == run
    assert "Good morning" in answer(run), answer(run)


@check
def a_thread_is_created_with_its_run():
    run = threads.create_and_run(
        assistant_id=assistant().id, thread={"messages": [{"role": "user", "content": "Good evening"}]}
    )
    assert run.status == "queued", run
    runs.poll(run.id, thread_id=run.thread_id)
    said = [message.content[0].text.value for message in messages.list(run.thread_id, order="asc")]
    assert said[0] == "Good evening" and len(said) == 2, said


@check
def a_run_takes_what_is_given_in_place_of_the_assistants():
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
    assert run.status == "completed" and "18 degrees" in answer(run), run


@check
def a_waiting_run_is_cancelled():
    run = waiting_run()
    assert runs.cancel(run.id, thread_id=run.thread_id).status == "cancelling"
    run = runs.poll(run.id, thread_id=run.thread_id)
    assert run.status == "cancelled" and run.cancelled_at is not None, run
    assert steps.list(run.id, thread_id=run.thread_id).data[0].status == "cancelled"


@check
def steps_tell_what_a_run_did():
    run = waiting_run()
    run = runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs(run))
    made = list(steps.list(run.id, thread_id=run.thread_id, limit=1, order="asc"))
    assert [step.type for step in made] == ["tool_calls", "message_creation"], made
    assert all(step.status == "completed" and step.usage.total_tokens > 0 for step in made), made
    assert made[0].step_details.tool_calls[0].function.output == "18 degrees", made[0]
    assert sum(step.usage.total_tokens for step in made) == run.usage.total_tokens, (made, run)
    for step in made:
        assert steps.retrieve(step.id, thread_id=run.thread_id, run_id=run.id) == step


@check
def pages_are_fetched_on_the_way():
    made = [assistant().id for _ in range(5)]
    # The other checks have made assistants as well; these are the newest.
    page = assistants.list(limit=2)
    assert [one.id for one in page.data] == made[:2:-1] and page.has_next_page(), page
    assert [one.id for one in page.get_next_page().data] == made[2:0:-1]
    ids = [one.id for one in page]
    assert ids[:5] == made[::-1] and len(set(ids)) == len(ids), ids
    assert [one.id for one in assistants.list(limit=2, order="asc")] == ids[::-1]
    between = assistants.list(limit=2, after=made[4], before=made[0]).data
    assert [one.id for one in between] == [made[3], made[2]], between
    place = threads.create(messages=[{"role": "user", "content": str(n)} for n in range(5)])
    said = [message.content[0].text.value for message in messages.list(place.id, limit=2, order="asc")]
    assert said == ["0", "1", "2", "3", "4"], said
    place = thread("Hello")
    made = [runs.create_and_poll(thread_id=place.id, assistant_id=made[0]).id for _ in range(5)]
    sizes = [len(page.data) for page in runs.list(place.id, limit=2).iter_pages()]
    assert sizes == [2, 2, 1], sizes
    assert [run.id for run in runs.list(place.id, limit=2)] == made[::-1]
    assert [run.id for run in runs.list(place.id, limit=2, order="asc", before=made[3]).data] == made[1:3]


@check
def what_is_listed_can_be_deleted_on_the_way():
    made = {assistant().id for _ in range(5)}
    # Only those: whoever runs this against a server of their own keeps what is there.
    for one in assistants.list(limit=2):
        if one.id in made:
            assistants.delete(one.id)
    assert not made & {one.id for one in assistants.list()}
    place = threads.create(messages=[{"role": "user", "content": str(n)} for n in range(5)])
    for message in messages.list(place.id, limit=2, order="asc"):
        messages.delete(message.id, thread_id=place.id)
    assert messages.list(place.id).data == []
