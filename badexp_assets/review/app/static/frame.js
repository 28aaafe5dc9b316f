// Every page can log out and send answers that are still waiting.

import {logOut} from "./core.js";
import "./outbox.js";

document.getElementById("logout").addEventListener("click", logOut);
