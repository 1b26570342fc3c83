// The page for the customers of an API: its examples can be copied with a button.

import "./code-block.js";
