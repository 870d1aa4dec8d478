// The stream itself. The first position after each connection is a jump: changes before it were not heard.
const KINDS = ["incident", "alert", "page", "oncall", "pocket", "import"];

export function open(url, tell) {
  const source = new EventSource(url);
  let jump = true;
  source.onerror = () => { jump = true; };
  source.addEventListener("position", (event) => {
    tell({ kind: "position", at: event.data, jump });
    jump = false;
  });
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => tell({ kind, ...JSON.parse(event.data) }));
  }
  return source;
}
