// htmx with prefetching of links on hover and focus.
import htmx from "htmx.org";
import "htmx.org/dist/ext/hx-preload.js";

export default htmx;
