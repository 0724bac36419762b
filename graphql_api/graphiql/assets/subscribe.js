"use strict";

// What a subscription tells, as server-sent events of the mode of distinct connections. The headers are the editor's, so
// a token stands in no address.
async function* received(params, headers, signal) {
  const sent = new Headers(headers);
  sent.set("accept", "text/event-stream");
  sent.set("content-type", "application/json");
  const body = JSON.stringify(params);
  const response = await fetch(window.location.pathname, { method: "POST", headers: sent, body, signal });
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
    yield await response.json(); // refused
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The connection was cut. Subscribe again, after the last cursor.");
    const events = (text + value).split("\n\n");
    text = events.pop();
    for (const event of events) {
      const [, name, data] = /^event: (\w+)\ndata: ?(.*)$/.exec(event) ?? []; // else a sign of life
      if (name === "complete") return;
      if (name === "next") yield JSON.parse(data);
    }
  }
}

// A generator that waits for an event cannot be left, so leaving ends what it waits for.
function subscribe(params, headers) {
  const leaving = new AbortController();
  const events = received(params, headers, leaving.signal);
  const end = { done: true, value: undefined };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () =>
      events.next().catch((error) => {
        if (leaving.signal.aborted) return end;
        throw error;
      }),
    return: async () => {
      leaving.abort();
      return end;
    },
  };
}

function isSubscription({ operationName }, documentAST) {
  return (documentAST?.definitions ?? []).some(
    ({ operation, name }) => operation === "subscription" && (!operationName || name?.value === operationName),
  );
}

// `fetcher` does all else.
function withSubscriptions(fetcher) {
  return (params, options) =>
    isSubscription(params, options?.documentAST) ? subscribe(params, options.headers) : fetcher(params, options);
}
