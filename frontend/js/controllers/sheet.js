// A form page shown as a dialog: <a href="/incidents/5/resolve/" data-sheet>. The page itself works without this.
import { Controller } from "@hotwired/stimulus";
import htmx from "../htmx.js";
import { toast } from "../announce.js";

export default class extends Controller {
  static targets = ["body"];

  connect() {
    this.clicked = (event) => {
      const link = event.target.closest?.("[data-sheet]");
      if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.show(link);
    };
    this.done = (event) => this.finish(event.detail);
    document.addEventListener("click", this.clicked, true);
    document.addEventListener("tocsin:done", this.done);
  }
  disconnect() {
    document.removeEventListener("click", this.clicked, true);
    document.removeEventListener("tocsin:done", this.done);
  }

  async show(link) {
    this.back = document.activeElement?.matches("a, button, input") ? document.activeElement : link;
    this.bodyTarget.innerHTML = '<p class="muted" role="status">Loading…</p>';
    let href = link.href ?? link.dataset.href;
    const form = link.closest("form");
    if (link.matches("button") && form) { // a bulk button: what is selected goes along in the address
      href = `${link.formAction}?${new URLSearchParams([...new FormData(form)].filter(([name]) => name === "id"))}`;
    }
    const target = new URL(href, location.href);
    if (!target.searchParams.has("next") && target.pathname.startsWith("/incidents/act/")) {
      target.searchParams.set("next", location.pathname + location.search);
    }
    href = target.pathname + target.search;
    this.element.showModal();
    await htmx.ajax("GET", href, { target: this.bodyTarget, swap: "innerHTML", headers: { "X-Part": "dialog" } });
    this.focusFirst();
  }
  focusFirst() {
    const field = this.bodyTarget.querySelector('[aria-invalid="true"], [autofocus], textarea, select, input:not([type=hidden])')
      ?? this.bodyTarget.querySelector("button[type=submit]");
    field?.focus();
  }
  close() { this.element.close(); }
  outside(event) { if (event.target === this.element) this.element.close(); }
  closed() {
    this.bodyTarget.innerHTML = "";
    if (this.back?.isConnected) this.back.focus({ preventScroll: true });
    else document.getElementById("main")?.focus({ preventScroll: true });
  }

  async finish({ url, message, undo } = {}) {
    if (this.element.open) this.element.close();
    toast(message, undo && (() => this.undo(undo)));
    const target = url && new URL(url, location.href);
    if (target && target.pathname !== location.pathname) {
      await htmx.ajax("GET", target.pathname + target.search, { target: "#main", swap: "innerHTML", push: target.pathname + target.search });
    } else {
      document.querySelectorAll('[data-selection-target="row"]:checked').forEach((box) => { box.checked = false; });
      await this.refresh();
    }
  }
  async undo(url) {
    const csrfmiddlewaretoken = document.querySelector("[name=csrfmiddlewaretoken]")?.value;
    await htmx.ajax("POST", url, { target: "#main", swap: "none", values: { csrfmiddlewaretoken } });
    await this.refresh();
    toast("Undone.");
  }
  refresh() { return htmx.ajax("GET", location.pathname + location.search, { target: "#main", swap: "innerMorph" }); }
}
