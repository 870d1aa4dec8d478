// The command palette: type a word, go there. Without script the same address is a search page.
import { Controller } from "@hotwired/stimulus";

export default class extends Controller {
  static targets = ["input", "hits"];
  static values = { url: String };

  open(event) {
    event?.preventDefault();
    if (this.element.open) return;
    this.back = document.activeElement;
    this.element.showModal();
    this.inputTarget.value = "";
    this.search();
  }
  shut() { this.element.close(); }
  closed() { this.back?.isConnected && this.back.focus({ preventScroll: true }); }
  outside(event) { if (event.target === this.element) this.element.close(); }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.search(), 90);
  }

  async search() {
    const wanted = this.inputTarget.value.trim();
    this.asked = wanted;
    try {
      const answer = await fetch(`${this.urlValue}?${new URLSearchParams({ q: wanted })}`, { headers: { "X-Part": "hits" } });
      const text = await answer.text();
      if (this.asked !== wanted || !answer.ok) return;
      this.hitsTarget.innerHTML = text;
      this.mark(0);
    } catch { /* away: what is shown stays */ }
  }

  get options() { return [...this.hitsTarget.querySelectorAll('[role="option"]')]; }

  mark(index) {
    const options = this.options;
    this.at = Math.max(0, Math.min(options.length - 1, index));
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === this.at)));
    const chosen = options[this.at];
    if (chosen) { this.inputTarget.setAttribute("aria-activedescendant", chosen.id); chosen.scrollIntoView({ block: "nearest" }); }
    else this.inputTarget.removeAttribute("aria-activedescendant");
  }

  key(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.mark(this.at + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.go(this.options[this.at]);
    }
  }
  pick(event) { event.preventDefault(); this.go(event.currentTarget.closest('[role="option"]') ?? event.target.closest('[role="option"]')); }

  go(option) {
    if (!option) return;
    this.back = null;
    this.element.close();
    location.assign(option.dataset.href);
  }
}
