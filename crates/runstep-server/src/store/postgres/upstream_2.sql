-- Version 2: the ids of objects of the model's provider that a key has created.
CREATE TABLE upstream_objects (
    seq bigint PRIMARY KEY DEFAULT nextval('seq'), ns bigint NOT NULL, id text NOT NULL,
    version bigint NOT NULL DEFAULT 0, hidden text NOT NULL, json text NOT NULL
);
CREATE UNIQUE INDEX upstream_objects_id ON upstream_objects (ns, id);
CREATE INDEX upstream_objects_list ON upstream_objects (ns, seq);

CREATE FUNCTION create_upstream_object(
    p_namespace text, p_request request, p_id text, p_hidden text, p_json text
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    INSERT INTO upstream_objects (ns, id, hidden, json) VALUES (p_ns, p_id, p_hidden, p_json)
    ON CONFLICT (ns, id) DO NOTHING;
    PERFORM record(p_ns, p_request);
    RETURN done(0);
END $$;

CREATE FUNCTION delete_upstream_object(
    p_namespace text, p_request request, p_id text
) RETURNS result LANGUAGE plpgsql AS $$
DECLARE
    p_ns bigint := namespace_key(p_namespace);
    earlier result := replay(p_ns, p_request);
    deleted bigint;
BEGIN
    IF earlier.kind IS NOT NULL THEN
        RETURN earlier;
    END IF;
    DELETE FROM upstream_objects WHERE ns = p_ns AND id = p_id RETURNING seq INTO deleted;
    IF deleted IS NULL THEN
        RETURN refused('missing');
    END IF;
    PERFORM record(p_ns, p_request);
    RETURN done(0);
END $$;
