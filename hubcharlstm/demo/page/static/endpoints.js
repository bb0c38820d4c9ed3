// The app's own endpoints for programs, called by the page: one answer, or an error with the sentence of the server.

// What a request comes to, or an error with a sentence where no server answers.
async function answered(request) {
  try {
    return await request();
  } catch {
    throw new Error(words("remember.silent"));
  }
}

async function callEndpoint(name, params, signal) {
  const url = `gradio_api/call/v2/${name}`;
  const post = { method: "POST", headers: { "content-type": "application/json", ...ownerHeaders() }, body: JSON.stringify(params), signal };
  const begun = await answered(() => fetch(url, post));
  const { event_id, error } = await begun.json().catch(() => ({})); // of a proxy it may be HTML
  if (!event_id) throw new Error(error ?? words("endpoint.status", { status: begun.status }));
  const events = await answered(async () => (await fetch(`${url}/${event_id}`, { signal })).text());
  let answer = null;
  for (const block of events.split("\n\n")) {
    const [kind, data] = [/^event: (.*)$/m.exec(block)?.[1], /^data: (.*)$/m.exec(block)?.[1]];
    if (kind === "error") throw new Error(sentenceOf(data));
    if (kind === "complete") answer = JSON.parse(data);
  }
  if (answer === null) throw new Error(words("endpoint.ended"));
  return Array.isArray(answer) ? answer[0] : answer;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// The title holds the page's own words for the error, where there are some.
function sentenceOf(data) {
  const content = parsed(data);
  if (typeof content !== "object" || content === null) return content ?? data;
  return wordsOf(parsed(content.title)) || content.error || content.message || data;
}
