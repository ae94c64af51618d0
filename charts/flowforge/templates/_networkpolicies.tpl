{{/* Egress rules that several processes share. */}}

{{/* TCP ports of a destination: (dict "name" "database" "root" $). */}}
{{- define "flowforge.egress.to" -}}
{{- $destination := get .root.Values.networkPolicy.egress .name -}}
- ports:
    {{- range $destination.ports }}
    - protocol: TCP
      port: {{ . | int64 }}
    {{- end }}
  {{- with $destination.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "flowforge.egress.dns" -}}
{{- $destination := .Values.networkPolicy.egress.dns -}}
- ports:
    {{- range $destination.ports }}
    - protocol: UDP
      port: {{ . | int64 }}
    - protocol: TCP
      port: {{ . | int64 }}
    {{- end }}
  {{- with $destination.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* One of our own pods: (dict "root" $ "component" "gateway" "port" 8081). */}}
{{- define "flowforge.egress.component" -}}
- ports:
    - protocol: TCP
      port: {{ .port }}
  to:
    - podSelector:
        matchLabels:
          {{- include "flowforge.selectorLabels" . | nindent 10 }}
{{- end -}}

{{/* The database, wherever it is. */}}
{{- define "flowforge.egress.database" -}}
{{- if .Values.evaluation.enabled -}}
{{- include "flowforge.egress.component" (dict "root" . "component" "postgresql" "port" 5432) -}}
{{- else -}}
{{- include "flowforge.egress.to" (dict "root" . "name" "database") -}}
{{- end -}}
{{- end -}}

{{/* Redis, wherever it is. */}}
{{- define "flowforge.egress.redis" -}}
{{- if .Values.evaluation.enabled -}}
{{- include "flowforge.egress.component" (dict "root" . "component" "redis" "port" 6379) -}}
{{- else -}}
{{- include "flowforge.egress.to" (dict "root" . "name" "redis") -}}
{{- end -}}
{{- end -}}
