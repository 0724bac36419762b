"use strict";

const QUERY = `# Put a token into the headers below, then ask who you are:

{
  viewer {
    organization
    roles
    clearance
    sessionLabel
  }
}
`;

// GraphiQL's history keeps headers, and with them tokens, whatever it is told. So what it keeps ends with the page.
const kept = new Map();
const storage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => void kept.set(name, String(value)),
  removeItem: (name) => void kept.delete(name),
  clear: () => kept.clear(),
  get length() {
    return kept.size;
  },
};

const console_ = document.getElementById("console");
console_.textContent = "";
document.body.style.margin = "0";
ReactDOM.createRoot(console_).render(
  React.createElement(GraphiQL, {
    fetcher: withSubscriptions(GraphiQL.createFetcher({ url: window.location.pathname })),
    defaultQuery: QUERY,
    defaultHeaders: JSON.stringify({ Authorization: "Bearer " }, null, 2),
    defaultEditorToolsVisibility: "headers",
    shouldPersistHeaders: false,
    storage,
    showPersistHeadersSettings: false,
  }),
);
