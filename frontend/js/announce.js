// Says things aloud to screen readers, and shows short notes, without moving anything on the page.

export function announce(text) {
  const region = document.getElementById("announcer");
  if (!region || !text) return;
  region.textContent = "";
  setTimeout(() => { region.textContent = text; }, 60);
}

export function toast(text) {
  const box = document.getElementById("toasts");
  if (!box || !text) return;
  const note = document.createElement("div");
  note.className = "toast-note";
  note.textContent = text;
  box.append(note);
  announce(text);
  setTimeout(() => note.remove(), 6000);
}
