"use strict";

// Shows the AsyncAPI document. The component's own parser compiles schemas with `new Function`, which
// the page does not allow; the document is made by the gateway and valid, so what the parser would add
// (references resolved, names as ids) is added here.

/** The document with every `$ref` replaced by what it points to, the same object each time. */
function resolved(root) {
  const done = new Map();
  const at = (pointer) =>
    pointer.slice(2).split("/").reduce((found, part) => found[part.replaceAll("~1", "/").replaceAll("~0", "~")], root);
  function walk(value) {
    if (typeof value !== "object" || value === null) return value;
    if (typeof value.$ref === "string") return walk(at(value.$ref));
    if (done.has(value)) return done.get(value);
    const copy = Array.isArray(value) ? [] : {};
    done.set(value, copy);
    for (const [name, part] of Object.entries(value)) copy[name] = walk(part);
    return copy;
  }
  return walk(root);
}

/** Gives each object its name in its parent under `property`. */
function named(objects, property) {
  for (const [name, object] of Object.entries(objects ?? {})) object[property] ??= name;
}

function parsed(document) {
  const found = resolved(document);
  for (const objects of [found.channels, found.operations, found.components.messages]) {
    named(objects, "x-parser-unique-object-id");
  }
  named(found.components.messages, "x-parser-message-name");
  named(found.components.schemas, "x-parser-schema-id");
  return { ...found, "x-parser-spec-parsed": true, "x-parser-api-version": 1 };
}

async function show(place) {
  const answer = await fetch("/api/asyncapi.json");
  if (!answer.ok) throw new Error(`/api/asyncapi.json answered ${answer.status}`);
  const schema = parsed(await answer.json());
  // Messages stand with their operations; to list them once more makes the page slow.
  const show = { sidebar: true, messages: false, schemas: false };
  AsyncApiStandalone.render({ schema, config: { show, sidebar: { useChannelAddressAsIdentifier: true } } }, place);
}

const place = document.getElementById("docs");
show(place).catch((error) => {
  place.textContent = `The document could not be shown: ${error.message}`;
  place.className = "fault";
});
