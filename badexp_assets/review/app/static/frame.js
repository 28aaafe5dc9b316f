// The frame of every page: log out, and answers that still wait are sent from any page.

import {logOut} from "./core.js";
import "./outbox.js";

document.getElementById("logout").addEventListener("click", logOut);
