// The addresses of the API, below the one where it is.

const part = encodeURIComponent;

export const addresses = (api) => ({
  flags: (query) => `${api}/flags${query ? `?${new URLSearchParams(query)}` : ""}`,
  flag: (key) => `${api}/flags/${part(key)}`,
  state: (key, environment) => `${api}/flags/${part(key)}/environments/${part(environment)}`,
  audit: (query) => `${api}/audit?${new URLSearchParams(query)}`,
});
