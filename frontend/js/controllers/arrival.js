// A page, or its main part, has arrived: what changed since it was made has to be fetched.
import { Controller } from "@hotwired/stimulus";
import { arrived } from "../stream.js";

export default class extends Controller {
  static values = { at: String };

  connect() {
    arrived(this.atValue);
  }
}
