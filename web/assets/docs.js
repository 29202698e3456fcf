"use strict";

// Starts the Swagger UI. It stands in a file of its own because the page allows no inline script.
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  filter: true,
  // Would ask a server elsewhere whether the document is valid.
  validatorUrl: null,
});
