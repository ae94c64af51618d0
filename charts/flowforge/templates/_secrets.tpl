{{/*
Secrets reach a process as files in one directory, and each process gets only those it reads. The parties are
"service" (web and workers), "gateway" and "migrate".
*/}}

{{- define "flowforge.secrets.directory" -}}
{{- if eq .Values.secrets.source "vaultAgent" -}}
/vault/secrets
{{- else -}}
/etc/flowforge/secrets
{{- end -}}
{{- end -}}

{{/* The secrets of a party, by their names in the values, as JSON: (dict "root" $ "party" "gateway"). */}}
{{- define "flowforge.secrets.of" -}}
{{- $github := ternary (list "githubPrivateKey" "githubWebhookSecrets") list .root.Values.github.enabled -}}
{{- $gitlab := ternary (list "gitlabToken" "gitlabWebhookSecrets") list .root.Values.gitlab.enabled -}}
{{- if and .root.Values.github.enabled .root.Values.github.oauthClientId -}}
{{- $github = append $github "githubOauthClientSecret" -}}
{{- end -}}
{{- if and .root.Values.gitlab.enabled .root.Values.gitlab.oauthClientId -}}
{{- $gitlab = append $gitlab "gitlabOauthClientSecret" -}}
{{- end -}}
{{- $of := dict
  "service" (concat (list "databaseUrl" "redisUrl") $github $gitlab)
  "gateway" (list "databaseUrl" "anthropicApiKey")
  "migrate" (list "databaseUrl") -}}
{{- get $of .party | toJson -}}
{{- end -}}

{{/* The file in which FlowForge looks for a secret: databaseUrl → flowforge_database_url. */}}
{{- define "flowforge.secrets.file" -}}
flowforge_{{ snakecase . }}
{{- end -}}

{{/* One source of the projected volume: (dict "root" $ "party" "gateway" "item" "databaseUrl"). */}}
{{- define "flowforge.secrets.projection" -}}
{{- $values := .root.Values.secrets -}}
{{- $file := include "flowforge.secrets.file" .item -}}
{{- $name := "" -}}
{{- $key := $file -}}
{{- if and .root.Values.evaluation.enabled (has .item (list "databaseUrl" "redisUrl")) -}}
{{- $name = printf "%s-evaluation" (include "flowforge.fullname" .root) -}}
{{- else if eq $values.source "externalSecrets" -}}
{{- $name = printf "%s-%s" (include "flowforge.fullname" .root) .party -}}
{{- else -}}
{{- $item := get $values.items .item -}}
{{- $name = default $values.existingSecret $item.secret -}}
{{- $key = $item.key -}}
{{- if not $name -}}
{{- fail (printf "secrets.existingSecret or secrets.items.%s.secret has to name a Secret" .item) -}}
{{- end -}}
{{- end -}}
- secret:
    name: {{ $name }}
    items:
      - key: {{ $key }}
        path: {{ $file }}
{{- end -}}

{{/* Volumes of a party: (dict "root" $ "party" "gateway"). */}}
{{- define "flowforge.secrets.volumes" -}}
{{- if eq .root.Values.secrets.source "vaultAgent" -}}
# What Vault's agent shows to Vault; its injector mounts it into the agent's container, and into no other.
- name: vault-token
  projected:
    defaultMode: 288 # 0440
    sources:
      - serviceAccountToken:
          audience: {{ .root.Values.secrets.vaultAgent.audience | quote }}
          expirationSeconds: 600
          path: token
{{- else -}}
- name: secrets
  projected:
    defaultMode: 288 # 0440: the process is in the pod's fsGroup
    sources:
      {{- range include "flowforge.secrets.of" . | fromJsonArray }}
      {{- include "flowforge.secrets.projection" (dict "root" $.root "party" $.party "item" .) | nindent 6 }}
      {{- end }}
      {{- if eq .party "service" }}
      {{- range .root.Values.secrets.files }}
      - secret:
          name: {{ .secret }}
          items:
            - key: {{ .key }}
              path: {{ .name }}
      {{- end }}
      {{- if eq $.root.Values.secrets.source "externalSecrets" }}
      {{- range $.root.Values.secrets.externalSecrets.files }}
      - secret:
          name: {{ include "flowforge.fullname" $.root }}-service
          items:
            - key: {{ .name }}
              path: {{ .name }}
      {{- end }}
      {{- end }}
      {{- end }}
{{- end }}
{{- end -}}

{{- define "flowforge.secrets.mounts" -}}
{{- if ne .Values.secrets.source "vaultAgent" -}}
- name: secrets
  mountPath: {{ include "flowforge.secrets.directory" . }}
  readOnly: true
{{- end }}
{{- end -}}

{{/*
Annotations for Vault's injector: (dict "root" $ "party" "gateway").
https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations
*/}}
{{- define "flowforge.secrets.annotations" -}}
{{- if eq .root.Values.secrets.source "vaultAgent" -}}
{{- $vault := .root.Values.secrets.vaultAgent -}}
vault.hashicorp.com/agent-inject: "true"
# Only an init container: processes read their secrets once, when they start.
vault.hashicorp.com/agent-pre-populate-only: "true"
# Before our own init containers, which read secrets too.
vault.hashicorp.com/agent-init-first: "true"
vault.hashicorp.com/agent-service-account-token-volume-name: vault-token
vault.hashicorp.com/role: {{ get $vault (printf "%sRole" .party) | quote }}
{{- range include "flowforge.secrets.of" . | fromJsonArray }}
{{- $item := get $vault . }}
{{- include "flowforge.secrets.injected" (dict "vault" $vault "file" (include "flowforge.secrets.file" .) "item" $item) }}
{{- end }}
{{- if eq .party "service" }}
{{- range $vault.files }}
{{- include "flowforge.secrets.injected" (dict "vault" $vault "file" .name "item" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Two annotations for one file: (dict "vault" $vault "file" "name" "item" (dict "path" "…" "field" "…")). */}}
{{- define "flowforge.secrets.injected" }}
{{- $data := ternary ".Data" ".Data.data" (eq (int .vault.kvVersion) 1) }}
vault.hashicorp.com/agent-inject-secret-{{ .file }}: {{ .item.path | quote }}
vault.hashicorp.com/agent-inject-template-{{ .file }}: {{ printf "{{- with secret %q -}}{{ index %s %q }}{{- end -}}" .item.path $data .item.field | quote }}
{{- end }}

{{/* What the operator fetches for a party: (dict "root" $ "party" "gateway"). */}}
{{- define "flowforge.secrets.externalSpec" -}}
{{- $external := .root.Values.secrets.externalSecrets -}}
refreshInterval: {{ $external.refreshInterval | quote }}
secretStoreRef:
  name: {{ $external.store.name | quote }}
  kind: {{ $external.store.kind }}
target:
  name: {{ include "flowforge.fullname" .root }}-{{ .party }}
  creationPolicy: Owner
data:
  {{- range include "flowforge.secrets.of" . | fromJsonArray }}
  {{- $item := get $external . }}
  - secretKey: {{ include "flowforge.secrets.file" . }}
    remoteRef:
      key: {{ $item.key | quote }}
      {{- with $item.property }}
      property: {{ . | quote }}
      {{- end }}
  {{- end }}
  {{- if eq .party "service" }}
  {{- range $external.files }}
  - secretKey: {{ .name }}
    remoteRef:
      key: {{ .key | quote }}
      {{- with .property }}
      property: {{ . | quote }}
      {{- end }}
  {{- end }}
  {{- end }}
{{- end -}}
