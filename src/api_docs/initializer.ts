// Starts Swagger UI on its page. The browser gets this file as it is, so nothing in it may be TypeScript only.
Reflect.get(
  globalThis,
  'SwaggerUIBundle',
)({
  url: '/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  validatorUrl: null, // it would send the document to a third party
  tryItOutEnabled: true,
});
