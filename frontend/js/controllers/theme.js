// Light, dark, high contrast, or as the system has it. Stored with the person and applied at once.
import { Controller } from "@hotwired/stimulus";

export default class extends Controller {
  static targets = ["choice"];
  choose(event) {
    const theme = event.currentTarget.value;
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    this.choiceTargets.forEach((button) => button.setAttribute("aria-pressed", String(button.value === theme)));
    const form = event.currentTarget.form;
    event.preventDefault();
    const data = new FormData(form);
    data.set("theme", theme);
    fetch(form.action, { method: "POST", body: data, headers: { "X-Part": "none" } }).catch(() => {});
  }
}
