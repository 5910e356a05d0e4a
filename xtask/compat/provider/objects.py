"""Files, uploads, vector stores, containers and models."""

import itertools
import re
import threading
import time

from errors import ApiError, missing

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
MODELS = ["gpt-4o", "gpt-4o-mini", "some-model"]
HOUR = 3600

lock = threading.RLock()
numbers = itertools.count(1)
files, contents, uploads, parts, stores, store_files, batches = {}, {}, {}, {}, {}, {}, {}


def new_id(kind):
    return f"{kind}{next(numbers):06d}"


def now():
    return int(time.time())


def find(kind, objects, id):
    if not isinstance(id, str) or id not in objects:
        raise missing(kind, id)
    return objects[id]


def ids(body, name):
    """The ids of a list, which may be missing."""
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(id, str) for id in value):
        raise ApiError(400, f"Invalid '{name}': expected ids.", name)
    return value


def object_field(body, name):
    value = body.get(name)
    if not isinstance(value, dict | None):
        raise ApiError(400, f"Invalid '{name}': expected an object.", name)
    return value


def text(body, name, required=False):
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value:
        raise ApiError(400, f"Invalid '{name}': expected a text.", name)
    return value


def metadata(body):
    value = object_field(body, "metadata") or {}
    if not all(isinstance(item, str) for item in value.values()):
        raise ApiError(400, "Invalid 'metadata': expected texts.", "metadata")
    return value


def position(items, query, name):
    for index, item in enumerate(items):
        if item["id"] == query[name]:
            return index
    raise ApiError(400, f"Invalid '{name}': no such object.", name)


def page(items, query):
    """A page of objects, by default newest first."""
    items = list(items)
    if query.get("order", "desc") == "desc":
        items.reverse()
    if "after" in query:
        items = items[position(items, query, "after") + 1 :]
    if "before" in query:
        items = items[: position(items, query, "before")]
    limit = query.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= 10000:
        raise ApiError(400, "Invalid 'limit'.", "limit")
    shown = items[: int(limit)]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(shown) < len(items),
    }


def deleted(id, kind):
    return {"id": id, "object": kind, "deleted": True}


def create_file(name, purpose, content, length):
    file = {
        "id": new_id("file-"),
        "object": "file",
        "bytes": length,
        "created_at": now(),
        "filename": name,
        "purpose": purpose,
        "status": "processed",
        "status_details": None,
        "expires_at": None,
    }
    files[file["id"]], contents[file["id"]] = file, content
    return file


def upload_file(body, content_type):
    form = body.form(content_type)
    file = form.get("file")
    if not isinstance(file, tuple):
        raise ApiError(400, "Missing required parameter: 'file'.", "file")
    return create_file(file[0], text(form, "purpose", True), file[1], file[2])


def create_upload(body):
    length = body.get("bytes")
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise ApiError(400, "Invalid 'bytes': expected a number.", "bytes")
    upload = {
        "id": new_id("upload_"),
        "object": "upload",
        "bytes": length,
        "created_at": now(),
        "filename": text(body, "filename", True),
        "purpose": text(body, "purpose", True),
        "status": "pending",
        "expires_at": now() + HOUR,
        "file": None,
    }
    text(body, "mime_type", True)
    uploads[upload["id"]] = upload
    return upload


def add_part(id, body, content_type):
    upload = pending(id)
    data = body.form(content_type).get("data")
    if not isinstance(data, tuple):
        raise ApiError(400, "Missing required parameter: 'data'.", "data")
    part = {"id": new_id("part_"), "object": "upload.part", "created_at": now(), "upload_id": upload["id"]}
    parts[part["id"]] = data
    return part


def pending(id):
    upload = find("upload", uploads, id)
    if upload["status"] != "pending":
        raise ApiError(400, f"The upload has the status '{upload['status']}'.")
    return upload


def complete_upload(id, body):
    upload = pending(id)
    data = [find("part", parts, part) for part in ids(body, "part_ids")]
    content, length = b"".join(part[1] for part in data), sum(part[2] for part in data)
    upload["file"] = create_file(upload["filename"], upload["purpose"], content, length)
    upload["status"] = "completed"
    return upload


def cancel_upload(id):
    upload = pending(id)
    upload["status"] = "cancelled"
    return upload


def counts(number):
    return {"in_progress": 0, "completed": number, "failed": 0, "cancelled": 0, "total": number}


def create_store(body):
    file_ids = ids(body, "file_ids")
    for id in file_ids:
        find("file", files, id)
    store = {
        "id": new_id("vs_"),
        "object": "vector_store",
        "created_at": now(),
        "name": text(body, "name"),
        "usage_bytes": 0,
        "file_counts": counts(0),
        "status": "completed",
        "expires_after": object_field(body, "expires_after"),
        "expires_at": None,
        "last_active_at": now(),
        "metadata": metadata(body),
    }
    stores[store["id"]], store_files[store["id"]] = store, {}
    for id in file_ids:
        add_to_store(store["id"], {"file_id": id})
    return store


def update_store(store, body):
    if "name" in body:
        store["name"] = text(body, "name")
    if "metadata" in body:
        store["metadata"] = metadata(body)
    if "expires_after" in body:
        store["expires_after"] = object_field(body, "expires_after")
    return store


def add_to_store(id, body):
    store = find("vector store", stores, id)
    file = find("file", files, text(body, "file_id", True))
    added = {
        "id": file["id"],
        "object": "vector_store.file",
        "usage_bytes": file["bytes"],
        "created_at": now(),
        "vector_store_id": id,
        "status": "completed",
        "last_error": None,
        "chunking_strategy": {
            "type": "static",
            "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
        },
        "attributes": object_field(body, "attributes") or {},
    }
    store_files[id][file["id"]] = added
    store["usage_bytes"] += file["bytes"]
    store["file_counts"] = counts(len(store_files[id]))
    return added


def create_batch(id, body):
    file_ids = ids(body, "file_ids")
    if not file_ids:
        raise ApiError(400, "Invalid 'file_ids': expected ids.", "file_ids")
    added = [add_to_store(id, {"file_id": file}) for file in file_ids]
    batch = {
        "id": new_id("vsfb_"),
        "object": "vector_store.files_batch",
        "created_at": now(),
        "vector_store_id": id,
        "status": "completed",
        "file_counts": counts(len(added)),
    }
    batches[batch["id"]] = (batch, added)
    return batch


def search(id, body):
    """The files of a store that have a word of the query."""
    query = body.get("query")
    query = query if isinstance(query, list) else [query]
    if not all(isinstance(words, str) and words for words in query):
        raise ApiError(400, "Invalid 'query': expected a text.", "query")
    found = [
        {
            "file_id": file["id"],
            "filename": file["filename"],
            "score": 0.9,
            "attributes": {},
            "content": [{"type": "text", "text": passage}],
        }
        for file, passage in passages(id, " ".join(query))
    ]
    return {
        "object": "vector_store.search_results.page",
        "search_query": query,
        "data": found,
        "has_more": False,
        "next_page": None,
    }


def passages(store_id, query):
    words = set(re.findall(r"\w{4,}", query.lower()))
    for id in find("vector store", store_files, store_id):
        content = contents.get(id, b"").decode("utf-8", "replace")
        if words & set(re.findall(r"\w{4,}", content.lower())):
            yield files[id], content


def container_file(container, file):
    return {
        "id": file,
        "object": "container.file",
        "container_id": container,
        "created_at": now(),
        "bytes": len(PNG),
        "path": "/mnt/data/plot.png",
        "source": "assistant",
    }


def model(id):
    return {"id": id, "object": "model", "created": 1700000000, "owned_by": "tests"}


def delete_file(id):
    find("file", files, id)
    del files[id], contents[id]
    return deleted(id, "file")


def delete_store(id):
    find("vector store", stores, id)
    del stores[id], store_files[id]
    return deleted(id, "vector_store.deleted")


def remove_from_store(id, file):
    find("file", find("vector store", store_files, id), file)
    del store_files[id][file]
    stores[id]["file_counts"] = counts(len(store_files[id]))
    return deleted(file, "vector_store.file.deleted")


def store_file(id, file):
    return find("file", find("vector store", store_files, id), file)


def batch(store, id):
    found, added = find("batch", batches, id)
    if found["vector_store_id"] != store:
        raise missing("batch", id)
    return found, added


def of_purpose(query):
    purpose = query.get("purpose")
    return [file for file in files.values() if purpose in (None, file["purpose"])]


def answer(method, path, query, body, content_type):
    """Returns the JSON of a response, or its content with a type."""
    with lock:
        match method, path.strip("/").split("/"):
            case "POST", ["files"]:
                return upload_file(body, content_type)
            case "GET", ["files"]:
                return page(of_purpose(query), query)
            case "GET" | "HEAD", ["files", id]:
                return find("file", files, id)
            case "DELETE", ["files", id]:
                return delete_file(id)
            case "GET" | "HEAD", ["files", id, "content"]:
                find("file", files, id)
                return contents[id], "application/octet-stream"
            case "POST", ["uploads"]:
                return create_upload(body.json())
            case "POST", ["uploads", id, "parts"]:
                return add_part(id, body, content_type)
            case "POST", ["uploads", id, "complete"]:
                return complete_upload(id, body.json())
            case "POST", ["uploads", id, "cancel"]:
                return cancel_upload(id)
            case "POST", ["vector_stores"]:
                return create_store(body.json())
            case "GET", ["vector_stores"]:
                return page(stores.values(), query)
            case "GET", ["vector_stores", id]:
                return find("vector store", stores, id)
            case "POST", ["vector_stores", id]:
                return update_store(find("vector store", stores, id), body.json())
            case "DELETE", ["vector_stores", id]:
                return delete_store(id)
            case "POST", ["vector_stores", id, "search"]:
                return search(id, body.json())
            case "POST", ["vector_stores", id, "files"]:
                return add_to_store(id, body.json())
            case "GET", ["vector_stores", id, "files"]:
                return page(find("vector store", store_files, id).values(), query)
            case "GET", ["vector_stores", id, "files", file]:
                return store_file(id, file)
            case "POST", ["vector_stores", id, "files", file]:
                found = store_file(id, file)
                found["attributes"] = object_field(body.json(), "attributes") or {}
                return found
            case "DELETE", ["vector_stores", id, "files", file]:
                return remove_from_store(id, file)
            case "GET", ["vector_stores", id, "files", file, "content"]:
                store_file(id, file)
                passage = contents.get(file, b"").decode("utf-8", "replace")
                return {
                    "object": "vector_store.file_content.page",
                    "data": [{"type": "text", "text": passage}],
                    "has_more": False,
                    "next_page": None,
                }
            case "POST", ["vector_stores", id, "file_batches"]:
                return create_batch(id, body.json())
            case "GET", ["vector_stores", id, "file_batches", number]:
                return batch(id, number)[0]
            case "POST", ["vector_stores", id, "file_batches", number, "cancel"]:
                return batch(id, number)[0]
            case "GET", ["vector_stores", id, "file_batches", number, "files"]:
                return page(batch(id, number)[1], query)
            case "GET", ["containers", container, "files", file]:
                return container_file(container, file)
            case "GET" | "HEAD", ["containers", _, "files", _, "content"]:
                return PNG, "image/png"
            case "GET" | "HEAD", ["models"]:
                return {"object": "list", "data": [model(id) for id in MODELS]}
            case "GET" | "HEAD", ["models", id] if id in MODELS:
                return model(id)
            case _, ["models", id]:
                raise missing("model", id)
    raise ApiError(404, f"Unknown URL ({method} {path}).")
