// Behaviour of Tocsin's pages. Everything here improves plain links and forms, which work without it.
import htmx from "./htmx.js";
import { Application } from "@hotwired/stimulus";
import Arrival from "./controllers/arrival.js";
import Clip from "./controllers/clip.js";
import Countdown from "./controllers/countdown.js";
import Filter from "./controllers/filter.js";
import Keyboard from "./controllers/keyboard.js";
import Live from "./controllers/live.js";
import Palette from "./controllers/palette.js";
import Push from "./controllers/push.js";
import Selection from "./controllers/selection.js";
import Sheet from "./controllers/sheet.js";
import Stretch from "./controllers/stretch.js";
import Theme from "./controllers/theme.js";
import Upload from "./controllers/upload.js";
import "./moment.js";
import "./pages.js";
import "./push/app.js";

document.documentElement.classList.add("js");
window.htmx = htmx;
const application = Application.start();
for (const [name, controller] of Object.entries({
  arrival: Arrival, clip: Clip, countdown: Countdown, filter: Filter, keyboard: Keyboard, live: Live, palette: Palette,
  push: Push, selection: Selection, sheet: Sheet, stretch: Stretch, theme: Theme,
  upload: Upload,
})) {
  application.register(name, controller);
}
