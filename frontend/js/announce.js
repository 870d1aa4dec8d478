// Says things aloud to screen readers, and shows short notes, without moving anything on the page.

export function announce(text) {
  const region = document.getElementById("announcer");
  if (!region || !text) return;
  region.textContent = "";
  setTimeout(() => { region.textContent = text; }, 60);
}

// undo: what takes it back, called when its button is pressed while the note is there
export function toast(text, undo) {
  const box = document.getElementById("toasts");
  if (!box || !text) return;
  const note = document.createElement("div");
  note.className = "toast-note";
  note.textContent = text;
  if (undo) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    button.textContent = "Undo";
    button.addEventListener("click", () => { note.remove(); undo(); });
    note.append(button);
  }
  box.append(note);
  announce(undo ? `${text} It can be undone.` : text);
  setTimeout(() => note.remove(), undo ? 15000 : 6000);
}
