// Relative times that stay true: "3 min ago". The server writes the same words; see web/moments.py.
export function span(seconds) {
  const s = Math.round(Math.abs(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) { const m = Math.floor((s % 3600) / 60); return `${Math.floor(s / 3600)} h${m ? ` ${m} min` : ""}`; }
  const h = Math.floor((s % 86400) / 3600);
  return `${Math.floor(s / 86400)} d${h && s < 7 * 86400 ? ` ${h} h` : ""}`;
}

// the database's clock is the only clock: how far this machine's is off, as the page told
const told = Number(document.body?.dataset.now);
const off = told ? told - Date.now() : 0;
export const now = () => Date.now() + off;

function draw() {
  if (document.hidden) return;
  for (const place of document.querySelectorAll("time.ago")) {
    const seconds = (now() - new Date(place.getAttribute("datetime")).getTime()) / 1000;
    const text = "elapsed" in place.dataset ? span(Math.max(0, seconds))
      : Math.abs(seconds) < 5 ? "now" : seconds > 0 ? `${span(seconds)} ago` : `in ${span(seconds)}`;
    if (place.textContent !== text) place.textContent = text;
  }
}

setInterval(draw, 5_000);
document.addEventListener("visibilitychange", draw);
